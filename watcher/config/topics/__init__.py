"""The topics of a watcher: their templates, and the names that follow from them.

It imports config's faults, and from mongodb the scope and the choice of collections. Rules about the names of topics belong here;
the topics of several watchers are compared by shared_topics.
"""
