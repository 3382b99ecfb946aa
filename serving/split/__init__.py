"""The split topology: front processes tokenise, one runner process per device computes.

BentoML starts the runners as dependencies of the service, gives each its GPU and tells the fronts where they listen.
Rows travel over one websocket for each front and runner, many requests at once; BentoML's own call between services
would cost a pickled HTTP request for each.
"""
