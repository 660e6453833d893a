"""Images from Dockerfiles, as the classic builder makes them.

    dockerfile    text → statements, grouped in stages         words      $variables and quotes
    metadata      what CMD, ENV, LABEL, … change               arguments  which ARGs a step sees
    running       RUN                                          golang     how Go writes strings and durations
    sources       what COPY and ADD read                       context    the files that a build may read
    copying       where COPY and ADD write                     ignore     .dockerignore
    cache         which image is a step's already              options    what a client may choose
    state         what a step starts from and leaves behind    builder    one build, from FROM to the tags

A step is a statement that was carried out on the image that the step before it left. It leaves an image too: with
one more entry of history, and one more layer when files have changed. The cache is these images.
"""
