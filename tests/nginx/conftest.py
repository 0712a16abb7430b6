from support.nginx import nginx

__all__ = ["nginx"]
