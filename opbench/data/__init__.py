"""From a recipe to files and tasks.

What is asked: dataset, recipe, foreign, importing. Making: samples, parts, generation. Files: layout, store, check, well_stats.
Reading: task. Telling: describe, show, catalogue.
"""
