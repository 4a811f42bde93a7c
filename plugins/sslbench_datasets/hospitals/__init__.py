"""Further hospitals: each file says which columns of its layout are what, and :mod:`.draft` makes the cohort."""
