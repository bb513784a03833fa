"""The phases of a message on its way out, for the writer and for the connection that owns it.

Plain numbers in a module of their own: whoever imports them types them as C integers (see the `.pxd` files), which a
module cannot do with names that others import from it.
"""

UNSENT = 0
OPEN = 1
DONE = 2
