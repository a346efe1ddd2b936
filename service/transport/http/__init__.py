"""HTTP/1.1 on uvicorn: connections, requests and answers. The only room that imports an HTTP library."""
