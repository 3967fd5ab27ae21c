package io.torchferry.cache;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;

/**
 * What tells that a file is another one now: its identity (device and inode), when it was written, its size.
 *
 * @param identity null where the file system has none
 */
record FileStamp(Object identity, FileTime modified, long size) {

    private static final FileStamp NONE = new FileStamp(null, FileTime.fromMillis(0), -1);

    /** A stamp of its own for a file that cannot be looked at: the load will tell why. */
    static FileStamp of(Path path) {
        try {
            BasicFileAttributes facts = Files.readAttributes(path, BasicFileAttributes.class);
            return new FileStamp(facts.fileKey(), facts.lastModifiedTime(), facts.size());
        } catch (IOException e) {
            return NONE;
        }
    }
}
