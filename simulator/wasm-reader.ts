/** A cursor over the bytes of a WebAssembly binary; reading past the end throws. */

export class WasmReader {
  private offset = 0;

  constructor(private readonly bytes: Uint8Array) {}

  isAtEnd(): boolean {
    return this.offset >= this.bytes.length;
  }

  byte(): number {
    const value = this.bytes[this.offset++];
    if (value === undefined) throw new RangeError("the binary ends too early");
    return value;
  }

  /** Four bytes, little endian. */
  u32Fixed(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  /** Unsigned LEB128, at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number is too long");
  }

  /** Signed LEB128; exact up to 53 bits, which is enough for what is read of it. */
  signed(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - 2 ** (shift + 7);
    }
    throw new RangeError("a number is too long");
  }

  name(): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.take(this.u32()));
  }

  /** A count, then as many items. */
  vector<T>(read: () => T): T[] {
    const count = this.u32();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  /** A reader of the next bytes, which this one skips. */
  part(lengthBytes: number): WasmReader {
    return new WasmReader(this.take(lengthBytes));
  }

  /** All bytes that are left. */
  rest(): Uint8Array {
    return this.take(this.bytes.length - this.offset);
  }

  take(lengthBytes: number): Uint8Array {
    const end = this.offset + lengthBytes;
    if (end > this.bytes.length) throw new RangeError("the binary ends too early");
    const part = this.bytes.subarray(this.offset, end);
    this.offset = end;
    return part;
  }
}
