"""Pickles that want code to run. A reader keeps calls as data, or refuses them when only weights are wanted."""

from . import opcodes as op
from .hostile_archive import Refuser
from .opcodes import call, dict_of, integer, named, numbers, one, pickled, sequence, storage, tensor, text

COMMAND = "echo executed > torchferry_was_attacked"


def add(catalogue):
    bad = Refuser(catalogue, "hostile_code")

    def inert(name, value, global_name, **more):
        bad(
            "code_" + name,
            pickled(dict_of((text("a"), value), (text("t"), tensor()))),
            "fine",
            weights_only="unsafe",
            globals=[global_name],
            **more
        )

    inert("os_system", call("os.system", text(COMMAND)), "os.system")
    inert("posix_system", call("posix.system", text(COMMAND)), "posix.system")
    inert("subprocess", call("subprocess.Popen", text(COMMAND)), "subprocess.Popen")
    inert("eval", call("__builtin__.eval", text("open('torchferry_was_attacked', 'w')")), "builtins.eval")
    inert("exec_new", named("builtins.exec") + sequence(text("1")) + op.NEWOBJ, "builtins.exec")
    inert(
        "build",
        named("evil.Class")
        + op.EMPTY_TUPLE
        + op.NEWOBJ
        + dict_of((text("__setstate__"), named("os.system")))
        + op.BUILD,
        "evil.Class",
    )
    inert("getattr", call("__builtin__.getattr", named("os.path"), text("system")), "builtins.getattr")
    inert(
        "rebuild_from_type",
        call(
            "torch._tensor._rebuild_from_type_v2",
            named("os.system"),
            named("torch.Tensor"),
            sequence(text(COMMAND)),
            op.NONE,
        ),
        "os.system",
    )
    inert("jit_load", call("torch.jit.load", text("evil.pt")), "torch.jit.load")
    inert("call_of_call", call("os.getenv", text("x")) + sequence(text("y")) + op.REDUCE, "os.getenv")
    inert("newline_in_name", b"cos\nsystem\r\n" + sequence(text(COMMAND)) + op.REDUCE, "os.system\r")
    hidden = named("os.system")
    bad(
        "code_storage_class",
        one(tensor(sequence(text("storage"), hidden, text("0"), text("cpu"), integer(3)) + op.PERSID)),
        "corrupt",
        "unsupported",
        "unsafe",
    )
    bad("code_as_storage", one(tensor(call("os.system", text(COMMAND)))), "corrupt", "unsupported", "unsafe")
    bad(
        "code_as_size",
        one(
            call(
                "torch._utils._rebuild_tensor_v2",
                storage(),
                integer(0),
                call("os.system", text(COMMAND)),
                numbers(1),
                op.FALSE,
                op.HOOKS,
            )
        ),
        "corrupt",
        "unsupported",
        "unsafe",
    )
    bad(
        "code_module_id",
        one(sequence(text("module"), hidden, text("evil.py"), text("import os")) + op.PERSID),
        "corrupt",
        "unsupported",
        "unsafe",
        "fine",
    )
    bad(
        "code_reduce_text",
        one(text("os.system") + sequence(text(COMMAND)) + op.REDUCE),
        "corrupt",
        "unsupported",
        "fine",
    )
    for name, body in (
        ("inst", b"(X\1\0\0\0xios\nsystem\n"),
        ("obj", b"(cos\nsystem\nX\1\0\0\0xo"),
        ("ext1", b"\x82\1"),
        ("persid_text", b"Pevil\n"),
        ("next_buffer", b"\x97"),
        ("int_text", b"I1\n"),
    ):
        bad("code_opcode_" + name, one(body), "unsupported", "corrupt", "unsafe")
