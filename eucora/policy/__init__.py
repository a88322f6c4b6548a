"""The policy that ships with eucora: documents under ``data``, read into the domain's types.

Everything here is a default that an organisation may replace; the domain never opens a file.
"""
