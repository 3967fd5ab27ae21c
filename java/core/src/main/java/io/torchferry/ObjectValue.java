package io.torchferry;

import java.util.List;

/** An object of a class that is not known here, as it was written: nothing was constructed and no code was run. */
public final class ObjectValue implements Value {
    private final String className;
    private final List<Value> arguments;
    private final List<DictValue.Entry> state;
    private final List<DictValue.Entry> attributes;

    ObjectValue(String className, List<Value> arguments, List<DictValue.Entry> state,
            List<DictValue.Entry> attributes) {
        this.className = className;
        this.arguments = arguments;
        this.state = state;
        this.attributes = attributes;
    }

    /** The class or function that would have been called: {@code "my.package.Config"}. */
    public String className() {
        return className;
    }

    /** What it would have been called with. */
    public List<Value> arguments() {
        return arguments;
    }

    /** What would have been assigned or set as state, mostly attribute names and values. */
    public List<DictValue.Entry> state() {
        return state;
    }

    /** Elements that would have been appended, under {@code "[]"}. */
    public List<DictValue.Entry> attributes() {
        return attributes;
    }

    /** The state of this name, or null. */
    Value lookup(String name) {
        for (DictValue.Entry entry : state) {
            if (entry.key() instanceof Str key && key.value().equals(name)) {
                return entry.value();
            }
        }
        return null;
    }

    /** {@code <my.package.Config(arguments) {state}>}, cut short where it is long. */
    @Override
    public String toString() {
        return ValueText.of(this);
    }
}
