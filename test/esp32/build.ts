/**
 * Builds the board of hardware/boards/esp32 for this machine: every file of ours as strictly as anywhere, against the headers in
 * `include`, over the fakes in `fakes`. What libsodium and wasm2c give is as on the other boards.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PLATFORM_FUNCTIONS, PLATFORM_MODULE } from "../../firmware/platform/interface.js";
import { APPLETS, appletRequest } from "../../scripts/firmware/applets.js";
import { inspect } from "../../scripts/firmware/footprint.js";
import { prepareEsp32 } from "../../scripts/hardware/esp32.js";
import { LIBSODIUM_DEFINES, libsodium } from "../../scripts/hardware/libsodium.js";
import { type Compilation, compileObject, hashOfHeaders } from "../../scripts/hardware/objects.js";
import { run } from "../../scripts/hardware/run.js";

export const CHIPS = ["esp32c3", "esp32s3"] as const;
export type Chip = (typeof CHIPS)[number];

export interface EspBuild {
  readonly chip: Chip;
  /** Applets as C by wasm2c; by WAMR otherwise. */
  readonly isCompiled?: boolean;
  /** Registers encrypted with a key from an eFuse. */
  readonly isSealed?: boolean;
  /** Folder of WAMR's source, built there by whoever gives it; the fake of it otherwise. */
  readonly wamr?: string | undefined;
  readonly sanitizers?: string;
}

const FOLDER = "build/esp32-test";
const FLAGS = ["-O1", "-D_GNU_SOURCE", "-ffunction-sections", "-fdata-sections"];
const STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wconversion"];
const OTHERS = ["-std=gnu11", "-w", "-DNDEBUG"];
/** The files that the project for ESP-IDF names always (hardware/boards/esp32/main/CMakeLists.txt). */
const OF_BOTH = ["main", "board", "store", "seal"];

function sourcesIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => (name.endsWith(".c") ? [join(folder, name)] : []));
}

function identifier(applet: string): string {
  return applet.replaceAll("-", "");
}

/** Applets as C whose imports have names of their own, and the functions with these names, which go to the fake of WAMR. */
function fakeApplets(root: string, output: string): string[] {
  mkdirSync(output, { recursive: true });
  const memoryBytes: number[] = [];
  const sources = APPLETS.map((applet) => {
    const binary = join(root, appletRequest(root, applet, "release").outputPath);
    memoryBytes.push(Math.ceil(inspect(readFileSync(binary)).footprint.memoryBytes / 16) * 16);
    const source = join(output, `${applet}.c`);
    run(process.execPath, [join(root, "node_modules/wabt/bin/wasm2c"), binary, "-n", identifier(applet), "-o", source]);
    return source;
  });
  const names = PLATFORM_FUNCTIONS.map(({ name }) => `#define w2c_${PLATFORM_MODULE}_${name} fake_${name}\n`);
  writeFileSync(
    join(output, "fake-imports.h"),
    `#include "wasm/binding.h"\nuint32_t fake_import(const char *name, uint32_t count, const uint32_t *values);\n${names.join("")}`,
  );
  writeFileSync(
    join(output, "fake-applets.h"),
    `static const uint32_t fake_memory_bytes[] = {${memoryBytes.join(", ")}};\n`,
  );
  const functions = PLATFORM_FUNCTIONS.map(({ name, parameters }) => {
    const count = parameters.reduce((sum, { kind }) => sum + (kind === "u32" ? 1 : 2), 0);
    const arguments_ = Array.from({ length: count }, (_, i) => `, uint32_t a${i}`).join("");
    const values = Array.from({ length: count }, (_, i) => `a${i}`).join(", ");
    return `uint32_t fake_${name}(struct w2c_tallystick *applet${arguments_}) {
  (void)applet;
  const uint32_t values[] = {${count === 0 ? "0" : values}};
  return fake_import("${name}", ${count}, values);
}
`;
  });
  writeFileSync(join(output, "fake-imports.c"), `#include "fake-imports.h"\n${functions.join("")}`);
  return [...sources, join(output, "fake-imports.c")];
}

/** The binaries under the names that ESP-IDF's EMBED_FILES gives them. */
function embedded(root: string, output: string): string {
  const source = join(output, "embedded.c");
  const text = APPLETS.map((applet) => {
    const symbol = `_binary_${applet.replaceAll("-", "_")}_wasm`;
    const path = join(root, appletRequest(root, applet, "release").outputPath);
    return `__asm__(".section .rodata\\n.global ${symbol}_start\\n.global ${symbol}_end\\n${symbol}_start:\\n.incbin \\"${path}\\"\\n${symbol}_end:\\n.byte 0\\n.previous");\n`;
  });
  // What is in the binaries is not what the object's inputs are told by: the text says it.
  const digests = APPLETS.map((applet) => {
    const path = join(root, appletRequest(root, applet, "release").outputPath);
    return `/* ${applet}: ${createHash("sha256").update(readFileSync(path)).digest("hex")} */\n`;
  });
  writeFileSync(source, `${digests.join("")}${text.join("")}`);
  return source;
}

function wamrRunner(root: string, hardware: string, output: string): string[] {
  return [join(hardware, "boards/esp32/main/binaries.c"), ...sourcesIn(join(hardware, "wamr")), embedded(root, output)];
}

/** The table that the build writes is compiled as strictly as our own. */
function compiledRunner(hardware: string, prepared: string): string[] {
  return [
    ...["applets.c", "wasm-rt.c"].map((name) => join(hardware, "wasm", name)),
    join(prepared, "applets/applet-codes.c"),
  ];
}

function compiledApplets(prepared: string): string[] {
  return sourcesIn(join(prepared, "applets")).filter((path) => !path.endsWith("/applet-codes.c"));
}

/**
 * What of an image is not ours: compiled once for all images, without sanitizers, which `test:posix` has for it. The framing's code has
 * those of its image: two threads call it.
 */
function othersObjects(
  root: string,
  prepared: string,
  output: string,
  instrumented: readonly string[],
  { chip, isCompiled = false, wamr }: EspBuild,
): string[] {
  const hardware = join(root, "hardware");
  const fakes = join(root, FOLDER, "fake-applets");
  const objects = join(root, FOLDER, "objects");
  const sodium = libsodium(root);
  const headers = hashOfHeaders([join(hardware, "wasm"), join(hardware, "usb"), prepared]);
  const include = [hardware, join(hardware, "wasm"), prepared, join(prepared, "applets"), fakes].map(
    (path) => `-I${path}`,
  );
  const generated = { compiler: "gcc", headers, flags: [...FLAGS, ...OTHERS, ...include] };
  const renamed = (names: string) => ({ ...generated, flags: [...generated.flags, "-include", names] });
  const names = renamed(join(hardware, "usb/framing-names.h"));
  const watched = { ...names, flags: [...names.flags, ...instrumented] };
  const library = {
    compiler: "gcc",
    headers: "",
    flags: [...FLAGS, ...OTHERS, ...LIBSODIUM_DEFINES, `-I${sodium.include}`, `-I${sodium.ownInclude}`],
  };
  const framing = chip === "esp32s3" ? [join(prepared, "framing-code.c")] : [];
  const isFake = wamr === undefined && !isCompiled;
  return [
    ...sodium.sources.map((source) => compileObject(source, objects, library)),
    ...framing.map((source) => compileObject(source, join(output, "objects"), watched)),
    ...(isCompiled ? compiledApplets(prepared) : []).map((source) => compileObject(source, objects, generated)),
    ...(isFake ? fakeApplets(root, fakes) : []).map((source) =>
      compileObject(source, objects, renamed(join(fakes, "fake-imports.h"))),
    ),
  ];
}

/** The board's own files and the portable ones, those that its CMakeLists.txt names, and the fakes under them. */
function ownSources(
  root: string,
  output: string,
  prepared: string,
  { chip, isCompiled = false, wamr }: EspBuild,
): string[] {
  const hardware = join(root, "hardware");
  const isUsb = chip === "esp32s3";
  const isFake = wamr === undefined && !isCompiled;
  const fakes = ["main", "partition", "hmac", isUsb ? "usb" : "serial", ...(isFake ? ["wamr"] : [])];
  return [
    ...[...OF_BOTH, isUsb ? "usb" : "serial"].map((name) => join(hardware, "boards/esp32/main", `${name}.c`)),
    ...sourcesIn(join(hardware, "platform")),
    ...sourcesIn(join(hardware, "card")).filter((path) => !isUsb || path.endsWith("/card.c")),
    ...(isCompiled ? compiledRunner(hardware, prepared) : wamrRunner(root, hardware, output)),
    join(hardware, "wasm/binding.generated.c"),
    ...(isUsb ? sourcesIn(join(hardware, "usb")) : []),
    ...["listed", "copies", "seeded-random"].map((name) => join(hardware, "boards/common", `${name}.c`)),
    ...fakes.map((name) => join(root, "test/esp32/fakes", `${name}.c`)),
  ];
}

function outputOf(root: string, { chip, isCompiled = false, isSealed = false, wamr, sanitizers }: EspBuild): string {
  const kinds = [isCompiled ? "compiled" : "", isSealed ? "sealed" : "", wamr === undefined ? "" : "wamr"];
  const parts = [chip, ...kinds, sanitizers?.replaceAll(",", "-") ?? ""].filter((part) => part !== "");
  return join(root, FOLDER, parts.join("-"));
}

/** Builds the program; its path. */
export async function buildEsp32(root: string, build: EspBuild): Promise<string> {
  const { chip, isSealed = false, wamr, sanitizers } = build;
  const prepared = await prepareEsp32(root);
  const hardware = join(root, "hardware");
  const test = join(root, "test/esp32");
  const output = outputOf(root, build);
  mkdirSync(output, { recursive: true });
  const instrumented = sanitizers === undefined ? [] : [`-fsanitize=${sanitizers}`, "-fno-sanitize-recover=all", "-g"];
  const definitions = [
    `-DBOARD_NAME="${chip}"`,
    "-DCONFIG_TALLYSTICK_SEALED_BLOCK=2",
    ...(isSealed ? ["-DCONFIG_TALLYSTICK_SEALED=1"] : []),
  ];
  // WAMR's own header comes before ours.
  const include = [
    ...(wamr === undefined ? [] : [join(wamr, "core/iwasm/include")]),
    ...[
      join(test, "config", chip),
      join(test, "include"),
      test,
      hardware,
      join(hardware, "wasm"),
      join(hardware, "wamr"),
    ],
    ...[prepared, join(prepared, "applets"), join(root, FOLDER, "fake-applets")],
  ].map((path) => `-I${path}`);
  const strict: Compilation = {
    compiler: "gcc",
    headers: hashOfHeaders([hardware, test, prepared]),
    flags: [...FLAGS, ...instrumented, ...STRICT, ...definitions, ...include, "-isystem", libsodium(root).include],
  };
  // First, because the fakes' headers are written with them.
  const others = othersObjects(root, prepared, output, instrumented, build);
  const own = ownSources(root, output, prepared, build).map((source) =>
    compileObject(source, join(output, "objects"), strict),
  );
  const program = join(output, "tallystick");
  const runtime = wamr === undefined ? [] : [join(wamr, "b/libvmlib.a"), "-lm"];
  run("gcc", ["-Wl,--gc-sections", ...instrumented, ...own, ...others, ...runtime, "-pthread", "-o", program]);
  return program;
}
