"""The settings about MongoDB: the URI and its options, the scope of databases and collections, and the fields that are left out.

It imports config's addresses, faults and masking, and no other room. Checks of such values belong here, and the rules that follow
from them, such as the options that a connection uses.
"""
