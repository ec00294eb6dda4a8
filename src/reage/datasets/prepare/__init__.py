"""Make training datasets of any pictures: detect, align, filter, label and pack faces.

    folders, tars -> Pictures (sources) -> Examined (examination, in processes) -> journal
    -> Chosen (selection, with labels) -> shards, index, card (shards)

Everything before the journal depends on one picture alone, and everything after it is quick. So
a stopped run can resume, and the order in which processes finish changes nothing.
"""
