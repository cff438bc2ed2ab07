"""The product. Each domain imports only those below it: tracking, packages, namespaces, accounts."""
