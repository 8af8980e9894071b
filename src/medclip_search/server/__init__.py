"""One ASGI process: the app, the REST API and the images, over one copy of the library."""
