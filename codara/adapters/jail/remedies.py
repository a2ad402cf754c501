"""What to tell the operator when a layer of the jail does not work here."""

from codara.errors import JailUnavailable

INSTALL = "bubblewrap: no `bwrap` on this host. Install it: `apt-get install bubblewrap`."
SETPRIV = "setpriv: not on this host. Install it: `apt-get install util-linux`."
TOO_OLD = "bubblewrap: this version lacks {option}. Install 0.8 or newer (Debian 12, Ubuntu 24.04)."
MACHINE = "seccomp: there is no system call filter for {machine} yet; run on x86_64 or aarch64."
NAMESPACES = (
    "user namespaces: the kernel refuses them ({detail}). Allow them with"
    " `sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000`; on Ubuntu"
    " 24.04 also `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor"
    " profile for bwrap; in Docker, start the container with `--security-opt seccomp=unconfined"
    " --security-opt apparmor=unconfined`."
)
FOLDER = (
    "folders: {detail}. The workspace, the private home and the agent's program must exist and"
    " belong to, or be readable by, the user the jail runs as (`jail.uid`)."
)
OTHER = "bubblewrap: it ended before the agent started ({detail}). Run `codara doctor`."

NAMESPACE_SIGNS = (
    "namespace",
    "uid map",
    "RTM_NEW",
    "make / slave",
    "pivot_root",
    "mount proc",
    "Operation not permitted",
)
FOLDER_SIGNS = ("source path", "chdir", "mkdir", "create file", "bind mount")


def explain(stderr: bytes) -> JailUnavailable:
    """Returns the error for what bubblewrap wrote before it gave up."""
    detail = stderr.decode(errors="replace").strip()[-500:] or "no message"
    if any(sign in detail for sign in FOLDER_SIGNS):
        return JailUnavailable(FOLDER.format(detail=detail))
    if any(sign in detail for sign in NAMESPACE_SIGNS):
        return JailUnavailable(NAMESPACES.format(detail=detail))
    return JailUnavailable(OTHER.format(detail=detail))
