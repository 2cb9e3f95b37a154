"""Balance: no word of the world may fill the dataset (CLIP, section 2.2; MetaCLIP, algorithm 1).

::

    entries.py   the metadata list, from a file            spacing.py   the form that is searched
    corpus.py    the metadata list, built from the corpus  match.py     which entries a text holds
    draw.py      the lot of (seed, key, entry)             settle.py    what is kept, in two passes
    curve.py     counts before and after, for the report   plain.py     all of it in a few lines

docs/adr/0014-balance.md says why it is done this way.
"""
