"""Images from Dockerfiles, as the classic builder makes them.

    builder       what the API calls                        context     the files, and the Dockerfile
    build         the stages, one after the other           dockerfile  text → statements, grouped in stages
    steps         one statement: cached, or carried out     words       $variables and quotes
      metadata      CMD, ENV, LABEL, …                      arguments   which ARGs a step sees
      run           RUN                                     state       what a stage has come to
      transfer      COPY and ADD                            cache       which image is a step's already
    commit        what a step has done → an image           options     what a client may choose

A step is a statement that was carried out on the image that the step before it left. It leaves an image
too: with one more entry of history, and one more layer when files have changed. These images are the
cache. When a build is killed, the images of its finished steps are there; all else was in `tmp/`.

All that takes time is a generator: it yields what the client is told, as it happens (see `stream`).
Closing it gives the build up.
"""
