"""Training datasets of any pictures: faces found, aligned, filtered, labelled, packed.

    folders, tars -> Pictures (sources) -> Examined (examination, in processes) -> journal
    -> Chosen (selection, with labels) -> shards, index, card (shards)

Everything before the journal depends on one picture alone, everything after it is quick: so a
stopped run goes on, and the order in which the processes finish changes nothing.
"""
