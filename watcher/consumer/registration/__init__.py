"""The handlers that somebody has registered: which functions can be one, and which of them a message goes to.

It imports only changes and errors. What can be said before any message is read belongs here; calling the handlers does not.
"""
