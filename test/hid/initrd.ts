/** An initial file system for Linux: a cpio archive in the "newc" format (Documentation/driver-api/early-userspace). */

export interface Entry {
  readonly path: string;
  /** With the kind of file, as in stat(2). */
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number];
}

const MAGIC = "070701";
const LAST = "TRAILER!!!";

function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}

function record({ path, mode, content = new Uint8Array(0), device = [0, 0] }: Entry): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [0, mode, 0, 0, 1, 0, content.length, 0, 0, ...device, name.length, 0];
  const digits = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = Buffer.concat([Buffer.from(MAGIC + digits), name]);
  return Buffer.concat([head, padding(head.length), content, padding(content.length)]);
}

/** Folders come before what is in them. */
export function initialFileSystem(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries, { path: LAST, mode: 0 }].map(record));
}
