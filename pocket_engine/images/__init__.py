"""Images: their names, layers and records, and the ways in and out: archives and registries.

references   names                     layers    unpacked layers and their blobs
store        records, tags, removal    archive   docker save, load, import
registry     pull and push
"""
