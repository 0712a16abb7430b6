"""A small Kubernetes API for people without a cluster, and for tests.

It knows nothing of our kinds: they come in as CustomResourceDefinitions. From
the outside in:

server       the service: storage, certificates, HTTP and manifests, joined
credentials  token, certificates, kubeconfig
http         ASGI: who is there, what they may do, requests in, answers out
users        whose token it is; actions: what a request wants to do
access       whether it is allowed, by what is stored; rbac: how roles are read; policy: the first
routes       which verb a request means; about: version, discovery, openapi
requests     what a request says (protobuf: of typed clients); views, table: how answers look
watch        what there is, then what happens
collector    deletes what has lost its owners; garbage: decides on it
api          create, replace, patch, apply; deletion; listing: pages and selectors
admission    decode strictly, prune, default, validate; metadata, names, rules (CEL), functions,
             events, contents, definitions
apply        server-side apply; fields: who owns what; patches: the other kinds of patch
objects      objects as resources show them, and as they are kept; catalog: what is served
store        memory in front, one writer behind; feed: the past and its followers; database: SQLite
manifests    a folder whose files are applied and followed; documents: what is in them
"""
