"""Images from Dockerfiles, as the classic builder makes them.

    builder       what the API calls                        context     the files, and the Dockerfile
    build         the stages, one after the other           dockerfile  statements, grouped in stages
    steps         one statement: cached, or carried out       lines       continued lines, comments
      metadata      CMD, ENV, LABEL, …                        syntax      keyword, flags, arguments
      run           RUN                                     words       $variables and quotes
        output        what it prints                        arguments   which ARGs a step sees
      transfer      COPY and ADD                            state       what a stage has come to
        sources       what they read                        cache       which image is a step's already
        copying       where they write                      options     what a client may choose
    commit        what a step has done → an image           tree        the files of an image

A step is a statement that was carried out on the image that the step before it left. It leaves an image
too: with one more entry of history, and one more layer when files have changed. These images are the
cache. When a build is killed, the images of its finished steps are there; all else was in `tmp/`, or in the
container of a RUN, which goes at the engine's next start.

All that takes time is a generator: it yields what the client is told, as it happens (see `stream`).
Closing it gives the build up.
"""
