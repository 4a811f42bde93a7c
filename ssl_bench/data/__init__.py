"""From files to batches: tables, images, splits, the prepared store, views.

Hands on cohorts to the plan, and batches of images to training and evaluation.
"""
