namespace ganymede {}
