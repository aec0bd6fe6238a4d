/** Deterministic CBOR (RFC 8949 section 4.2.1): firmware, host and cborg make the same bytes and refuse the same. */

import { readFileSync } from "node:fs";
import * as cborg from "cborg";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { CBOR_DEPTH_MAX } from "../firmware/protocol/limits.js";
import { REASON_MALFORMED, REASON_TOO_LONG, REASON_UNEXPECTED } from "../firmware/protocol/reasons.js";
import { fromHex, toHex } from "../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../host/codec/cbor.js";
import { CodecError } from "../host/codec/errors.js";
import { asAmount, asUint, Fields } from "../host/codec/read.js";
import { loadModule } from "./support/firmware.js";

interface Vector {
  readonly hex: string;
  readonly roundtrip: boolean;
  readonly decoded?: unknown;
  readonly diagnostic?: string;
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL("vectors/cbor-appendix-a.json", import.meta.url), "utf8"));

const firmware = await loadModule("cbor");
const release = await loadModule("cbor", undefined, "release");
beforeEach(() => {
  firmware.release();
  release.release();
});

const u64 = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value));

/** Writes a value with the firmware's writer; its length or the negative reason, and the bytes. */
function firmwareEncode(value: CborValue, capacity = 8192): { status: number; bytes: Uint8Array } {
  firmware.release();
  const buffer = firmware.allocate(capacity);
  firmware.call("writeBegin", buffer, capacity);
  firmwareWrite(value);
  const status = firmware.call("writeFinish");
  return { status, bytes: firmware.read(buffer, Math.max(status, 0)) };
}

function firmwareWrite(value: CborValue): void {
  if (typeof value === "number" || typeof value === "bigint") {
    if (value > 2n ** 63n - 1n) firmware.call("writeUint", BigInt.asIntN(64, BigInt(value)));
    else firmware.call("writeInt", BigInt(value));
  } else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    firmware.call("writeText", firmware.write(bytes), bytes.length);
  } else if (value instanceof Uint8Array) firmware.call("writeBytes", firmware.write(value), value.length);
  else if (value === null) firmware.call("writeNil");
  else if (typeof value === "boolean") firmware.call("writeBool", value ? 1 : 0);
  else if (value instanceof Map) {
    firmware.call("writeMap", value.size);
    const rank = (key: number): number => (key >= 0 ? key : 2 ** 32 - key);
    for (const [key, item] of [...value].sort((a, b) => rank(a[0]) - rank(b[0]))) {
      firmware.call("writeInt", BigInt(key));
      firmwareWrite(item);
    }
  } else if (Array.isArray(value)) {
    firmware.call("writeArray", value.length);
    for (const item of value) firmwareWrite(item);
  }
}

/** Reads a value with the firmware's reader, method by method. */
function firmwareDecode(bytes: Uint8Array): CborValue {
  firmware.release();
  firmware.call("readBegin", firmware.write(bytes), bytes.length);
  const value = firmwareRead();
  expect(firmware.call("readFinish")).toBe(0);
  return value;
}

function firmwareRead(): CborValue {
  const string = (address: number): Uint8Array => firmware.read(address, firmware.call("readLength"));
  const number = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
  switch (firmware.call("readPeekMajor")) {
    case 0:
      return number(u64(firmware.call("readUint")));
    case 1:
      return number(BigInt(firmware.call("readInt")));
    case 2:
      return string(firmware.call("readBytes", 0, 65535));
    case 3:
      return new TextDecoder().decode(string(firmware.call("readText", 65535)));
    case 4:
      return Array.from({ length: firmware.call("readArray") }, firmwareRead);
    case 5: {
      let key = firmware.call("keyNone");
      const entries = new Map<number, CborValue>();
      const size = firmware.call("readMap");
      for (let i = 0; i < size; i++) {
        key = firmware.call("readMapKey", key);
        entries.set(key, firmwareRead());
      }
      return entries;
    }
    default:
      return firmware.call("readIsNil") ? null : firmware.call("readBool") === 1;
  }
}

/** The firmware's verdict on bytes: 0 or a negative reason. */
function firmwareVerdict(bytes: Uint8Array): number {
  firmware.release();
  return firmware.call("skipAll", firmware.write(bytes), bytes.length);
}

function hostVerdict(bytes: Uint8Array): number {
  try {
    decode(bytes);
    return 0;
  } catch (error) {
    if (error instanceof CodecError) return -error.reason;
    throw error;
  }
}

const keys = fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }));
const integers = fc.oneof(
  fc.constantFrom(0, 23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, -24, -25, -256, -257, -65536, -65537),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
);
const { item: values } = fc.letrec<{ item: CborValue }>((tie) => ({
  item: fc.oneof(
    { maxDepth: CBOR_DEPTH_MAX - 1, withCrossShrink: true },
    integers,
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("item"), { maxLength: 30 }),
    fc.array(fc.tuple(keys, tie("item")), { maxLength: 8 }).map((entries) => new Map(entries)),
  ),
}));

const NESTED = (depth: number): Uint8Array => Uint8Array.from([...Array(depth - 1).fill(0x81), 0x80]);

describe("RFC 8949 appendix A", () => {
  /** What of the appendix the subset has, judged by its notation and not by either decoder. */
  const inSubset = ({ hex, roundtrip }: Vector): boolean => {
    const isSimple = /^(f4|f5|f6)$/.test(hex);
    const isTagOrFloat = Number.parseInt(hex.slice(0, 2), 16) >= 0xc0 && !isSimple;
    const hasTextKeys = /^(a2|a5)61|^826161a1/.test(hex);
    const isBelowInt64 = hex === "3bffffffffffffffff";
    // "roundtrip" is false for indefinite lengths and longer forms.
    return roundtrip && !isTagOrFloat && !hasTextKeys && !isBelowInt64;
  };

  test("has the vectors that are in the subset", () => {
    expect(vectors).toHaveLength(82);
    expect(vectors.filter(inSubset)).toHaveLength(33);
  });

  test.each(vectors.map((vector) => [vector.hex, vector] as const))("%s", (hex, vector) => {
    const bytes = fromHex(hex);
    if (!inSubset(vector)) {
      expect(() => decode(bytes)).toThrow(CodecError);
      expect(firmwareVerdict(bytes)).toBe(-REASON_MALFORMED);
      return;
    }
    const value = decode(bytes);
    const known = vector.decoded;
    if (hex === "1bffffffffffffffff") expect(value).toBe(2n ** 64n - 1n);
    else if (known !== undefined && hex !== "a0") expect(value).toEqual(known);
    else if (value instanceof Uint8Array) expect(`h'${toHex(value)}'`).toBe(vector.diagnostic);
    expect(toHex(encode(value))).toBe(hex);
    expect(firmwareVerdict(bytes)).toBe(0);
    expect(firmwareDecode(bytes)).toEqual(value);
    expect(toHex(firmwareEncode(value).bytes)).toBe(hex);
  });
});

describe("three encoders", () => {
  test("firmware, host and cborg make the same bytes, and both decoders read the value back", () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encode(value);
        expect(toHex(bytes)).toBe(toHex(cborg.encode(value, cborg.rfc8949EncodeOptions)));
        if (bytes.length <= 8192) expect(toHex(firmwareEncode(value, 8192).bytes)).toBe(toHex(bytes));
        const decoded = decode(bytes);
        expect(decoded).toEqual(value);
        expect(firmwareDecode(bytes)).toEqual(decoded);
        expect(firmwareVerdict(bytes)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("maps are sorted whatever the order of insertion", () => {
    const map = new Map<number, CborValue>([-65537, 8, -1, 24, 0, -25, 23].map((key) => [key, null]));
    expect(toHex(encode(map))).toBe("a700f608f617f61818f620f63818f63a00010000f6");
  });
});

describe("both decoders give the same verdict", () => {
  const agree = (bytes: Uint8Array): number => {
    const verdict = hostVerdict(bytes);
    expect([toHex(bytes), firmwareVerdict(bytes)]).toEqual([toHex(bytes), verdict]);
    if (verdict === 0) expect(toHex(encode(decode(bytes)))).toBe(toHex(bytes));
    return verdict;
  };

  test("on every input of one and two bytes", () => {
    let good = 0;
    for (let first = 0; first < 256; first++) {
      if (agree(Uint8Array.of(first)) === 0) good++;
      for (let second = 0; second < 256; second++) if (agree(Uint8Array.of(first, second)) === 0) good++;
    }
    // 24 + 24 small integers, h'', "", [], {}, false, true, null; then the heads of two bytes, strings and arrays of one.
    expect(good).toBe(48 + 4 + 3 + 2 * (256 - 24) + 256 + 128 + 55);
  });

  test("on noise", () => {
    const noise = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0x81, 0x82, 0xa1, 0xa2, 0x61, 0x41, 0x18, 0x20, 0)), {
      maxLength: 24,
    });
    fc.assert(
      fc.property(noise, (bytes) => void agree(Uint8Array.from(bytes))),
      { numRuns: 5000 },
    );
  });

  test("on good encodings with one byte changed, added or cut off", () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), how: fc.constantFrom("change", "add", "cut") });
    fc.assert(
      fc.property(values, damage, (value, { at, byte, how }) => {
        const bytes = [...encode(value)];
        const place = at % bytes.length;
        if (how === "change") bytes[place] = byte;
        else if (how === "add") bytes.splice(place, 0, byte);
        else bytes.length = place;
        agree(Uint8Array.from(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  const refused: Record<string, string> = {
    "17 in two bytes": "1817",
    "255 in three bytes": "1900ff",
    "65535 in five bytes": "1a0000ffff",
    "2^32-1 in nine bytes": "1b00000000ffffffff",
    "-24 in two bytes": "3817",
    "-2^63-1": "3b8000000000000000",
    "a length of one in two bytes": "580100",
    "an indefinite array": "9fff",
    "map keys in the wrong order": "a202000100",
    "a map key twice": "a201000100",
    "a negative key before a positive one": "a220000100",
    "a text key": "a1616100",
    "a byte string as key": "a1410000",
    "a key beyond 32 bits": "a11a8000000000",
    "the key -2^31": "a13a7fffffff00",
    "a map that ends after a key": "a101",
    "an array longer than the input": "9a7fffffff",
    "an array of 2^64-1": "9bffffffffffffffff",
    "a map of 2^63": "bb8000000000000000",
    "a byte string of 2^32": "5b0000000100000000",
    "overlong UTF-8": "62c080",
    "a UTF-8 surrogate": "63eda080",
    "UTF-8 above U+10FFFF": "64f4908080",
    "UTF-8 cut off": "62e6b0",
    "a UTF-8 continuation alone": "6180",
    "a tag": "c100",
    "a half float": "f90000",
    undefined: "f7",
    "false in two bytes": "f814",
    "a break alone": "ff",
    nothing: "",
    "a byte too many": "0000",
  };
  test.each(Object.entries(refused))("%s is refused", (_what, hex) => {
    expect(agree(fromHex(hex))).toBe(-REASON_MALFORMED);
  });

  test(`nesting ${CBOR_DEPTH_MAX} deep is read, one deeper is refused`, () => {
    expect(agree(NESTED(CBOR_DEPTH_MAX))).toBe(0);
    expect(agree(NESTED(CBOR_DEPTH_MAX + 1))).toBe(-REASON_MALFORMED);
    expect(agree(new Uint8Array(60_000).fill(0x81))).toBe(-REASON_MALFORMED);
  });

  test("a byte order mark is text like any other", () => {
    expect(agree(fromHex("63efbbbf"))).toBe(0);
    expect(decode(fromHex("63efbbbf"))).toBe("\ufeff");
  });

  test("every sequence of UTF-8 up to four bytes has the verdict of TextDecoder", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    const edges = [
      0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf4,
      0xf5, 0xff,
    ];
    const address = release.allocate(4);
    const view = new Uint8Array(release.memory.buffer, address, 4);
    const isValid = (length: number): boolean => {
      try {
        strict.decode(view.slice(0, length));
        return true;
      } catch {
        return false;
      }
    };
    for (const a of edges)
      for (const b of edges)
        for (const c of edges)
          for (const d of edges) {
            view.set([a, b, c, d]);
            const length = 1 + ((a + b + c + d) % 4);
            if (release.call("utf8Valid", address, length) !== Number(isValid(length)))
              expect([a, b, c, d, length]).toEqual([]);
          }
  });
});

describe("firmware writer", () => {
  test("a buffer too small by any number of bytes is TOO_LONG and nothing is written behind its end", () => {
    const value: CborValue = [1, "text", new Uint8Array(30), new Map([[1, 2n ** 60n]]), null, true];
    const length = encode(value).length;
    expect(firmwareEncode(value, length).status).toBe(length);
    for (let capacity = 0; capacity < length; capacity++) {
      firmware.release();
      const buffer = firmware.allocate(length + 8);
      new Uint8Array(firmware.memory.buffer, buffer, length + 8).fill(0xee);
      firmware.call("writeBegin", buffer, capacity);
      firmwareWrite(value);
      expect(firmware.call("writeFinish")).toBe(-REASON_TOO_LONG);
      expect(firmware.read(buffer + capacity, length - capacity).every((byte) => byte === 0xee)).toBe(true);
    }
  });

  test("text that is not UTF-8 is not written", () => {
    const buffer = firmware.allocate(16);
    firmware.call("writeBegin", buffer, 16);
    firmware.call("writeText", firmware.write(Uint8Array.of(0xff)), 1);
    firmware.call("writeUint", 1n);
    expect(firmware.call("writeFinish")).toBe(-REASON_MALFORMED);
  });

  test("a byte string can be written as header and contents", () => {
    const buffer = firmware.allocate(64);
    firmware.call("writeBegin", buffer, 64);
    firmware.call("writeBytesHeader", 24);
    expect(firmware.call("writeReserve", 4)).toBe(buffer + 2);
    firmware.call("writeRaw", firmware.write(new Uint8Array(20).fill(7)), 20);
    expect(firmware.call("writeReserve", 0xffffffff)).toBe(0);
    expect(firmware.call("writeFinish")).toBe(-REASON_TOO_LONG);
    expect(toHex(firmware.read(buffer, 26))).toBe(`581800000000${"07".repeat(20)}`);
  });
});

describe("firmware reader", () => {
  const begin = (hex: string): void => {
    firmware.release();
    const bytes = fromHex(hex);
    firmware.call("readBegin", firmware.write(bytes), bytes.length);
  };

  test("after a failure every method answers zero, pointers lead to zeros, and the first reason stays", () => {
    begin("8301020304050607");
    firmware.call("readFail", REASON_UNEXPECTED);
    expect(firmware.call("readUint")).toBe(0n);
    expect(firmware.call("readInt")).toBe(0n);
    expect(firmware.call("readAmount")).toBe(0n);
    for (const zeros of [
      firmware.call("readFixed", 64),
      firmware.call("readBytes", 0, 9),
      firmware.call("readText", 9),
    ]) {
      expect(firmware.read(zeros, 64)).toEqual(new Uint8Array(64));
      expect(firmware.call("readLength")).toBe(0);
    }
    expect(firmware.call("readArray")).toBe(0);
    expect(firmware.call("readMap")).toBe(0);
    expect(firmware.call("readMapKey", 0)).toBe(0);
    expect(firmware.call("readBool")).toBe(0);
    expect(firmware.call("readIsNil")).toBe(0);
    expect(firmware.call("readPeekMajor")).toBe(-1);
    firmware.call("readSkip");
    expect(firmware.call("readFinish")).toBe(-REASON_UNEXPECTED);
  });

  test.each([
    ["uint of a negative", "20", "readUint", []],
    ["uint of text", "6161", "readUint", []],
    ["int of bytes", "4101", "readInt", []],
    ["int above 2^63-1", "1b8000000000000000", "readInt", []],
    ["int below -2^63", "3b8000000000000000", "readInt", []],
    ["amount of 2^63", "1b8000000000000000", "readAmount", []],
    ["bytes too short", "4101", "readBytes", [2, 9]],
    ["bytes too long", "43010203", "readBytes", [0, 2]],
    ["bytes cut off", "430102", "readBytes", [0, 9]],
    ["fixed of another length", "43010203", "readFixed", [4]],
    ["text too long", "63616263", "readText", [2]],
    ["text of bytes", "4161", "readText", [2]],
    ["array of another length", "820000", "readArrayOf", [3]],
    ["map of another size", "a10000", "readMapOf", [2]],
    ["another key", "02", "readKeyIs", [3]],
    ["key not after the previous", "03", "readMapKey", [3]],
    ["bool of null", "f6", "readBool", []],
    ["bool of 1", "01", "readBool", []],
  ])("%s fails", (_what, hex, method, values) => {
    begin(hex);
    firmware.call(method, ...values);
    expect(firmware.call("readFailed")).toBe(REASON_MALFORMED);
    expect(firmware.call("readFinish")).toBe(-REASON_MALFORMED);
  });

  test("the limits themselves are read", () => {
    begin("1b7fffffffffffffff");
    expect(firmware.call("readAmount")).toBe(2n ** 63n - 1n);
    expect(firmware.call("readFinish")).toBe(0);
    begin("3b7fffffffffffffff");
    expect(firmware.call("readInt")).toBe(-(2n ** 63n));
    begin("43010203");
    expect(firmware.read(firmware.call("readBytes", 3, 3), 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(firmware.call("readFinish")).toBe(0);
  });

  test("nothing behind the end is read, whatever lies there", () => {
    for (const hex of ["1818", "190100", "1a00010000", "1b0000000100000000", "4101", "5818", "6161", "6261"]) {
      for (let length = 0; length < hex.length / 2; length++) {
        firmware.release();
        firmware.call("readBegin", firmware.write(fromHex(hex)), length);
        const method = hex < "20" ? "readUint" : hex < "60" ? "readBytes" : "readText";
        const value = firmware.call(method, ...(method === "readBytes" ? [0, 99] : method === "readText" ? [99] : []));
        expect([hex, length, firmware.call("readFailed")]).toEqual([hex, length, REASON_MALFORMED]);
        if (method === "readUint") expect(value).toBe(0n);
        else expect(firmware.call("readLength")).toBe(0);
      }
    }
  });

  test("no more items are announced than the bytes that are left can hold", () => {
    for (const [hex, method, count] of [
      ["83010203", "readArray", 3],
      ["830102", "readArray", 0],
      ["a201020304", "readMap", 2],
      ["a2010203", "readMap", 0],
    ] as const) {
      begin(hex);
      expect(firmware.call(method)).toBe(count);
      expect(firmware.call("readFailed")).toBe(count === 0 ? REASON_MALFORMED : 0);
    }
  });

  test("bytes left over are malformed", () => {
    begin("0102");
    expect(firmware.call("readUint")).toBe(1n);
    expect(firmware.call("readFinish")).toBe(-REASON_MALFORMED);
  });
});

describe("host", () => {
  const wrong: [string, unknown, typeof TypeError | typeof RangeError][] = [
    ["undefined", undefined, TypeError],
    ["an object", {}, TypeError],
    ["a function", () => 0, TypeError],
    ["a fraction", 1.5, RangeError],
    ["NaN", Number.NaN, RangeError],
    ["a number that is not exact", 2 ** 53, RangeError],
    ["2^64", 2n ** 64n, RangeError],
    ["-2^63-1", -(2n ** 63n) - 1n, RangeError],
    ["half a surrogate pair", "\ud800", RangeError],
    ["a text key", new Map([["a", 1]]), TypeError],
    ["a key beyond 32 bits", new Map([[2 ** 31, 1]]), RangeError],
    ["a fraction as key", new Map([[0.5, 1]]), RangeError],
  ];
  test.each(wrong)("%s is not encoded", (_what, value, kind) => {
    expect(() => encode(value as CborValue)).toThrow(kind);
  });

  test("nesting beyond the limit is not encoded", () => {
    let value: CborValue = [];
    for (let depth = 1; depth < CBOR_DEPTH_MAX; depth++) value = [value];
    expect(decode(encode(value))).toEqual(value);
    expect(() => encode([value])).toThrow(RangeError);
  });

  test("decoded byte strings are copies", () => {
    const bytes = fromHex("420102");
    const value = decode(bytes);
    bytes[1] = 9;
    expect(value).toEqual(Uint8Array.of(1, 2));
  });

  test("fields name the place of an error", () => {
    const fields = Fields.decode(encode([1, "two"]), "ticket", 2);
    expect(fields.uint("version")).toBe(1);
    expect(() => fields.amount("price")).toThrow("ticket, item 1 (price): expected an amount below 2^63, found text");
    expect(() => fields.value("currency")).toThrow("ticket: ends before currency");
    expect(() => Fields.ofMap(new Map([[3, 1]]), "claims", [1])).toThrow("claims: has key 3");
    expect(() => Fields.ofMap(new Map(), "claims", [1])).toThrow("claims: key 1 is missing");
    expect(() => asUint(-1, "role")).toThrow(CodecError);
    expect(asAmount(2n ** 63n - 1n, "amount")).toBe(2n ** 63n - 1n);
    expect(() => asAmount(2n ** 63n, "amount")).toThrow(CodecError);
  });
});

describe("hexadecimal digits and memory", () => {
  test("hex is written and read back in lower case only", () => {
    const bytes = fromHex("000102090a0f10997faabbccddeeff80");
    const digits = firmware.allocate(32);
    firmware.call("hexWrite", firmware.write(bytes), 16, digits);
    expect(new TextDecoder().decode(firmware.read(digits, 32))).toBe(toHex(bytes));
    const back = firmware.allocate(16);
    expect(firmware.call("hexRead", digits, back, 16)).toBe(1);
    expect(firmware.read(back, 16)).toEqual(bytes);
    for (let character = 0; character < 256; character++) {
      const isDigit = /[0-9a-f]/.test(String.fromCharCode(character)) ? 1 : 0;
      for (const pair of [Uint8Array.of(character, 0x30), Uint8Array.of(0x30, character)]) {
        firmware.release();
        expect(firmware.call("hexRead", firmware.write(pair), firmware.allocate(1), 1)).toBe(isDigit);
      }
    }
  });

  test.each(["equal", "equalConstantTime"])("%s sees a difference in any bit", (method) => {
    const bytes = Uint8Array.from({ length: 33 }, (_, i) => 7 * i);
    const a = firmware.write(bytes);
    const b = firmware.write(bytes);
    const view = new Uint8Array(firmware.memory.buffer, b, 33);
    expect(firmware.call(method, a, b, 33)).toBe(1);
    for (let bit = 0; bit < 33 * 8; bit++) {
      const at = bit >> 3;
      view[at] = (view[at] ?? 0) ^ (1 << (bit & 7));
      expect(firmware.call(method, a, b, 33)).toBe(0);
      expect(firmware.call(method, a, b, at)).toBe(1);
      view[at] = (view[at] ?? 0) ^ (1 << (bit & 7));
    }
  });

  test("wipe leaves zeros and touches nothing else", () => {
    const at = firmware.write(new Uint8Array(10).fill(1));
    firmware.call("wipe", at + 1, 8);
    expect(firmware.read(at, 10)).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1));
  });
});
