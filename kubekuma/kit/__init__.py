"""Tools that know nothing of KubeKuma: each file could be a library of its own."""
