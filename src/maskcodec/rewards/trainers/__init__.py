"""What trainers are told the path or the name of: one file for each of them.

ms-swift puts the folder of a plug-in before all others that modules are looked for in. So no file
here has the name of a package, and nothing else is here.
"""
