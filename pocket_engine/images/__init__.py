"""Images: what they are made of, where they are kept, and the ways in and out.

references      names                                  image           an image: a config and its layers
store           records and names; asks layers, tags   views           lists, inspect, history
tags            which name means which image           removal         remove, prune, and their conflicts
layers          unpacked layers and their blobs        saving          docker save
unpacking       tar → folder, whatever the tar tries   loading         docker load
packing         folder → tar                           importing       docker import
compression     gzip, bzip2, xz, zstd                  registry        pull, push, log in: whom to ask
platforms       linux/amd64 and others                 pulling         one pull
media_types     what bytes are                         pushing         one push
progress        items of the API's streams             distribution    requests to one registry
credentials     who asks                               authorization   tokens
hosts           a registry's URL                       refusals        its errors in Docker's words
"""
