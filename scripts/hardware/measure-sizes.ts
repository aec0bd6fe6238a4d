/**
 * What an image takes of flash and RAM, by part: every byte of its sections belongs to an applet, the platform, libsodium or the rest
 * (the compiler's libraries, gaps). Read from the linker's map, and held against the sections that the image has.
 */

/** Of one output section, by the section and object it came from; what the linker filled has no object. */
export interface MapPiece {
  readonly section: string;
  readonly object: string | undefined;
  readonly address: number;
  readonly bytes: number;
}

export interface MapSection {
  readonly address: number;
  readonly bytes: number;
  readonly pieces: MapPiece[];
}

export interface ImageSection {
  readonly name: string;
  readonly bytes: number;
  /** The image has its bytes, so that they are in flash. */
  readonly isLoaded: boolean;
  readonly isWritable: boolean;
}

/** Whose the bytes are: an applet's name stands for its linear memory and instance. */
export type Part = "applets" | "platform" | "libsodium" | "other" | "stackReserved" | `memory of ${string}`;

export interface Sizes {
  readonly flash: Readonly<Record<string, number>>;
  readonly ram: Readonly<Record<string, number>>;
}

/** Map and image do not agree: the sizes would mean nothing. */
export class SizesError extends Error {
  override readonly name = "SizesError";
}

const HEX = "0x([0-9a-f]+)";
const OUTPUT = new RegExp(`^(\\.\\S+|COMMON)\\s+${HEX}\\s+${HEX}`);
const INPUT = new RegExp(`^ (\\S+)\\s+${HEX}\\s+${HEX} (\\S.*)$`);
const FILL = new RegExp(`^ \\*fill\\*\\s+${HEX}\\s+${HEX}`);
/** Of a section, what alignment may take without a line in the map. */
const GAPS_BYTES_MAX = 64;
/** Strings that other files have too are listed with the size that they had before they were put together. */
const STRINGS = /\.str\d+\.\d+$/;
/** A name too long for its column: the numbers are on the next line. */
const ALONE = /^( ?[.\w][^\s(]*)$/;

function number(hex: string | undefined): number {
  return Number.parseInt(hex ?? "", 16);
}

/** The output sections of a map of GNU ld, by name. */
export function readMap(text: string): ReadonlyMap<string, MapSection> {
  const begin = text.indexOf("Linker script and memory map");
  if (begin < 0) throw new SizesError("The linker's map has no sections.");
  const sections = new Map<string, MapSection>();
  let current: MapSection | undefined;
  let held = "";
  for (const raw of text.slice(begin).split("\n")) {
    if (ALONE.test(raw)) {
      held = raw;
      continue;
    }
    const line = held === "" ? raw : `${held} ${raw.trimStart()}`;
    held = "";
    const output = OUTPUT.exec(line);
    const fill = FILL.exec(line);
    const input = INPUT.exec(line);
    if (output !== null) {
      current = { address: number(output[2]), bytes: number(output[3]), pieces: [] };
      sections.set(output[1] as string, current);
    } else if (fill !== null) {
      current?.pieces.push({ section: "", object: undefined, address: number(fill[1]), bytes: number(fill[2]) });
    } else if (input !== null) {
      const [, section = "", address, bytes, object] = input;
      current?.pieces.push({ section, object, address: number(address), bytes: number(bytes) });
    }
  }
  return sections;
}

/**
 * Every byte of a section once: of two pieces that overlap, as equal strings of two files do, the first has it; what no piece has is
 * the linker's.
 */
function shares({ address, bytes, pieces }: MapSection, name: string): MapPiece[] {
  const sorted = pieces.filter((piece) => piece.bytes > 0).sort((a, b) => a.address - b.address || a.bytes - b.bytes);
  const end = address + bytes;
  let at = address;
  let gaps = 0;
  const own: MapPiece[] = [];
  for (const piece of sorted) {
    const isStrings = STRINGS.test(piece.section);
    const pieceEnd = isStrings ? Math.min(piece.address + piece.bytes, end) : piece.address + piece.bytes;
    if (piece.address < address || piece.address > end || pieceEnd > end)
      throw new SizesError(`In the map ${piece.section} lies beside its section ${name}.`);
    gaps += Math.max(0, piece.address - at);
    const from = Math.max(at, piece.address);
    if (pieceEnd > from) own.push({ ...piece, bytes: pieceEnd - from });
    at = Math.max(at, pieceEnd);
  }
  gaps += end - at;
  if (gaps > GAPS_BYTES_MAX) throw new SizesError(`Of section ${name} the map explains all but ${gaps} bytes.`);
  return [...own, { section: "", object: undefined, address: end, bytes: gaps }];
}

/** The sections that are in memory, from `readelf -SW`. */
export function readSections(text: string): readonly ImageSection[] {
  const sections: ImageSection[] = [];
  for (const line of text.split("\n")) {
    const found = /^\s*\[\s*\d+\]\s+(\.\S+)\s+([A-Z_]+)\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\S+\s+([A-Za-z]*)/.exec(
      line,
    );
    if (found === null) continue;
    const [, name = "", type = "", size = "", flags = ""] = found;
    if (!flags.includes("A")) continue;
    const bytes = Number.parseInt(size, 16);
    sections.push({ name, bytes, isLoaded: type !== "NOBITS", isWritable: flags.includes("W") });
  }
  if (sections.length === 0) throw new SizesError("The image has no sections.");
  return sections;
}

export interface Owners {
  /** File names of libsodium's objects. */
  readonly libsodium: ReadonlySet<string>;
  /** Applets by the name that wasm2c gives to what is theirs. */
  readonly applets: ReadonlyMap<string, string>;
}

const STACK = ".stack";
const NO_SECTION: MapSection = { address: 0, bytes: 0, pieces: [] };

function ownerOf(output: string, { section, object }: MapPiece, { libsodium, applets }: Owners): Part {
  if (output === STACK) return "stackReserved";
  const file = object?.split("/").at(-1);
  if (object === undefined || file === undefined || !object.includes("/objects/")) return "other";
  if (libsodium.has(file)) return "libsodium";
  if (!file.startsWith("applets-")) return "platform";
  const memory = /^\.bss\.(\w+)_(?:bytes|instance)$/.exec(section)?.[1];
  const applet = memory === undefined ? undefined : applets.get(memory);
  return applet === undefined ? "applets" : `memory of ${applet}`;
}

/** Bytes of each part; they are those of the image's sections together, or it is a SizesError. */
export function sizesOf(map: string, sections: readonly ImageSection[], owners: Owners): Sizes {
  const inMap = readMap(map);
  const flash: Record<string, number> = { applets: 0, platform: 0, libsodium: 0, other: 0 };
  const ram: Record<string, number> = { platform: 0, libsodium: 0, other: 0, stackReserved: 0 };
  for (const { name, bytes, isLoaded, isWritable } of sections) {
    const mapped = inMap.get(name) ?? NO_SECTION;
    if (mapped.bytes !== bytes)
      throw new SizesError(`Section ${name} has ${mapped.bytes} bytes in the map and ${bytes} in the image.`);
    for (const piece of shares(mapped, name)) {
      const part = ownerOf(name, piece, owners);
      if (isLoaded) {
        const of = part.startsWith("memory of ") ? "applets" : part;
        flash[of] = (flash[of] ?? 0) + piece.bytes;
      }
      if (!isWritable) continue;
      // What an applet has in RAM beside its memory is the table that knows it.
      const of = part === "applets" ? "platform" : part.replace("memory of ", "");
      ram[of] = (ram[of] ?? 0) + piece.bytes;
    }
  }
  const total = (parts: Record<string, number>) => Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { flash: { ...flash, total: total(flash) }, ram: { ...ram, total: total(ram) } };
}
