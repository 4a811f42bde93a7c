"""All that can be checked before a model is built: names, options, files, patients, labels. No torch.

Hands on a ``Plan``: the chosen components, the cohorts to train and to test on, the settled configuration.
"""
