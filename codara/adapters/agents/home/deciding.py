"""Files of a home that decide how programs start, whatever the runtime: none outlives a start.

Shells read the first ones before each command, git, node and bun the others.
"""

DECIDES_FOR_ALL = (
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".profile",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    ".config/fish",
    ".config/git",
    ".gitconfig",
    ".config/.bunfig.toml",
    ".bunfig.toml",
    ".env",
    ".node_libraries",
    ".node_modules",
    ".npmrc",
    "node_modules",
    "package.json",
    "tsconfig.json",
)
