"""/system/df: what takes how much of the disk."""

from collections import Counter
from typing import Any

import flask
from flask import Blueprint

from pocket_engine.api import context
from pocket_engine.containers.listing import listing
from pocket_engine.engine import Engine
from pocket_engine.filters import Filters
from pocket_engine.images import views
from pocket_engine.volumes import disk_usage

blueprint = Blueprint("usage", __name__)

TYPES = ("container", "image", "volume", "build-cache")
ALL = Filters()


@blueprint.get("/system/df")
def usage() -> dict[str, Any]:
    engine = context.engine()
    wanted = flask.request.args.getlist("type") or TYPES
    used: dict[str, Any] = {}
    if "image" in wanted:
        used |= _images(engine)
    if "container" in wanted:
        used["Containers"] = listing(engine.containers, ALL, everything=True, size=True)
    if "volume" in wanted:
        used["Volumes"] = _volumes(engine)
    if "build-cache" in wanted:
        used["BuildCache"] = []  # The classic builder's cache is images.
    return used


def _images(engine: Engine) -> dict[str, Any]:
    images = engine.images.all()
    users = Counter(diff_id for image in images for diff_id in set(image.diff_ids))
    sizes = {diff_id: engine.images.layers.get(diff_id).size for diff_id in users}
    shared = {image.id: sum(sizes[one] for one in image.diff_ids if users[one] > 1) for image in images}
    return {
        "LayersSize": sum(sizes.values()),
        "Images": [
            {
                **summary,
                "SharedSize": shared.get(summary["Id"], 0),
                "Containers": len(engine.containers.using_image(summary["Id"])),
            }
            for summary in views.summaries(engine.images, ALL)
        ],
    }


def _volumes(engine: Engine) -> list[dict[str, Any]]:
    return [
        {
            **volume.inspect(),
            "UsageData": {
                "RefCount": len(engine.containers.using_volume(volume.name)),
                "Size": disk_usage(volume.folder),
            },
        }
        for volume in engine.volumes.all()
    ]
