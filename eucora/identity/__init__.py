"""Who is calling, and what they may do: principals, permissions, bearer tokens, the development identity provider."""
