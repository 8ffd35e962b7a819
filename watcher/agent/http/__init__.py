"""The HTTP application: app has all routes, api those for programs, guard who may do what, connection the limits.

It imports page, view and metrics, and no other room imports it. What is true of requests and answers in general belongs here; what
the page shows belongs to page.
"""
