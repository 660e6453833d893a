"""Plausible wrong answers to lesson 06, and a part of the nudge that each must get."""


def _two_stages(copy, name="maker"):
    return f"""
    ARG PYTHON_IMAGE
    FROM ${{PYTHON_IMAGE}} AS {name}
    LABEL microservices-workshop="exercise-06"
    WORKDIR /build
    COPY make_index.py .
    RUN python make_index.py

    FROM ${{PYTHON_IMAGE}}
    LABEL microservices-workshop="exercise-06"
    WORKDIR /service
    COPY search.py .
    {copy}
    CMD ["python", "search.py"]
    """


def takes_the_whole_folder():
    return _two_stages("COPY --from=maker /build/ ./")


def takes_the_titles():
    return _two_stages("COPY --from=maker /build/titles.txt .")


def forgets_the_folder_of_the_stage():
    return _two_stages("COPY --from=maker index.json .")


def copies_from_a_stage_of_another_name():
    return _two_stages("COPY --from=maker /build/index.json .", name="builder")


def deletes_in_a_later_step():
    return """
    ARG PYTHON_IMAGE
    FROM ${PYTHON_IMAGE}
    LABEL microservices-workshop="exercise-06"
    WORKDIR /service
    COPY make_index.py search.py ./
    RUN python make_index.py
    RUN rm titles.txt
    CMD ["python", "search.py"]
    """


def counts_the_base_too(history, base_history):
    return max(history, key=lambda entry: entry["Size"])["CreatedBy"]


def takes_the_newest(history, base_history):
    return history[0]["CreatedBy"]


def believes_the_deletion(history, base_history):
    return next(entry["CreatedBy"] for entry in history if "rm " in entry["CreatedBy"])


def returns_the_whole_entry(history, base_history):
    ours = history[: len(history) - len(base_history)]
    return max(ours, key=lambda entry: entry["Size"])


def _service(label="org.opencontainers.image.title", value="books", probe="CMD true"):
    return f"""
    ARG PYTHON_IMAGE
    FROM ${{PYTHON_IMAGE}}
    LABEL microservices-workshop="exercise-06"
    LABEL {label}={value}
    WORKDIR /service
    COPY service.py probe.py ./
    HEALTHCHECK --interval=1s --timeout=2s --retries=1 {probe}
    CMD ["python", "service.py"]
    """


def _probe(url):
    return f'CMD ["python", "probe.py", "{url}"]'


def label_of_another_name():
    return _service(label="title")


def label_of_another_value():
    return _service(value="recommendations")


def no_keyword_before_the_command():
    return _service(probe='["python", "-c", "pass"]')


def no_health_check_at_all():
    return _service().replace("HEALTHCHECK", "# HEALTHCHECK")


def asks_for_another_page():
    return _service(probe=_probe("http://localhost:8080/"))


def is_content_with_anything():
    return _service(probe='CMD ["python", "-c", "pass"]')


WRONG = [
    ("06-1", "takes the whole folder", takes_the_whole_folder, "still weighs 14.0 MB"),
    ("06-1", "takes the titles", takes_the_titles, "Which file does search.py open"),
    ("06-1", "forgets the stage's folder", forgets_the_folder_of_the_stage, "starts at the stage's root"),
    ("06-1", "stage of another name", copies_from_a_stage_of_another_name, "names no stage of this file"),
    ("06-1", "deletes in a later step", deletes_in_a_later_step, "still weighs 14.0 MB"),
    ("06-2", "counts the base too", counts_the_base_too, "Leave out as many entries"),
    ("06-2", "takes the newest", takes_the_newest, "compare by “Size”"),
    ("06-2", "believes the deletion", believes_the_deletion, "its layer frees nothing"),
    ("06-2", "returns the whole entry", returns_the_whole_entry, "the instruction alone"),
    ("06-3", "label of another name", label_of_another_name, "no label “org.opencontainers.image.title”"),
    ("06-3", "label of another value", label_of_another_value, "the title asked for is “books”"),
    ("06-3", "no keyword before the command", no_keyword_before_the_command, "The engine cannot build it"),
    ("06-3", "no health check", no_health_check_at_all, "has no health check"),
    ("06-3", "asks for another page", asks_for_another_page, "404"),
    ("06-3", "is content with anything", is_content_with_anything, "counts as healthy too"),
]
