/**
 * An image that measures itself: the objects of a shipping image, linked once more with test/hardware/measure in front of the
 * functions that are counted. What ships has none of it.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Parameter, PLATFORM_FUNCTIONS, PLATFORM_MODULE } from "../../firmware/platform/interface.js";
import { APPLETS } from "../firmware/applets.js";
import { type AppletName, appletSources, identifier } from "./applets.js";
import { type BoardName, type BoardOptions, boardOf, STRICT } from "./boards.js";
import { buildImage, type Image } from "./build.js";
import { libsodium } from "./libsodium.js";
import { type Owners, readSections, type Sizes, SizesError, sizesOf } from "./measure-sizes.js";
import { compileObject, hashOfHeaders, objectOf } from "./objects.js";
import { run } from "./run.js";

/** Counted beside the platform's functions (test/hardware/measure/measure.c). */
const WRAPPED = [
  "machine_start",
  "host_say",
  "card_power_on",
  "card_command_end",
  "card_answer_to_reset",
  "board_flash_read",
  "board_flash_program",
  "board_flash_erase",
  "board_registers_save",
];

/** In the order of their numbers in what such an image answers. */
export const MEASURED_FUNCTIONS: readonly string[] = PLATFORM_FUNCTIONS.map(({ name }) => name);

function symbolOf(name: string): string {
  return `${PLATFORM_MODULE}_${name}`;
}

function parameters(parameter: Parameter): string[] {
  if (parameter.kind === "u32") return [`uint32_t ${parameter.name}`];
  const constness = parameter.kind === "in" ? "const " : "";
  return [`${constness}uint8_t *${parameter.name}`, `uint32_t ${parameter.name}_length`];
}

function values(parameter: Parameter): string[] {
  return parameter.kind === "u32" ? [parameter.name] : [parameter.name, `${parameter.name}_length`];
}

/** A function in front of each of the platform's. */
function wrappersText(): string {
  const wrappers = PLATFORM_FUNCTIONS.map((declared, number) => {
    const list = declared.parameters.length === 0 ? "void" : declared.parameters.flatMap(parameters).join(", ");
    const [real, wrap] = ["real", "wrap"].map((kind) => `int32_t __${kind}_${symbolOf(declared.name)}`);
    const call = `__real_${symbolOf(declared.name)}(${declared.parameters.flatMap(values).join(", ")})`;
    return `${real}(${list});
${wrap}(${list});
${wrap}(${list}) {
  struct span span = span_begin();
  int32_t result = ${call};
  span_end(span, &measured_calls[${number}]);
  return result;
}
`;
  });
  const count = PLATFORM_FUNCTIONS.length;
  return `/* Written by the build. */
#include "measure/measure.h"

struct calls measured_calls[${count}];
const uint32_t measured_calls_count = ${count};

${wrappers.join("\n")}`;
}

function writeIfOther(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function linked(name: BoardName, objects: readonly string[], image: string, more: readonly string[] = []): string {
  const { compiler, linkFlags } = boardOf(name, {});
  run(compiler, [...linkFlags, ...more, ...objects, "-o", image]);
  return image;
}

function strictly(root: string, name: BoardName, include: readonly string[]) {
  const { compiler, flags } = boardOf(name, {});
  const [hardware, tests] = [join(root, "hardware"), join(root, "test/hardware")];
  const headers = hashOfHeaders([hardware, tests]);
  const { include: sodium } = libsodium(root);
  return { compiler, headers, flags: [...flags, ...STRICT, `-I${hardware}`, ...include, "-isystem", sodium] };
}

/** Links the image beside the shipping one; the path of it. */
export function measuringImage(root: string, name: BoardName, { path, objects }: Image): string {
  const output = dirname(path);
  const wrappers = join(output, "measure", "measured-calls.c");
  writeIfOther(wrappers, wrappersText());
  const tests = join(root, "test/hardware");
  const compilation = strictly(root, name, [`-I${tests}`]);
  const measuring = [join(tests, "measure/measure.c"), wrappers].map((source) =>
    compileObject(source, join(output, "objects"), compilation),
  );
  const wraps = [...WRAPPED, ...MEASURED_FUNCTIONS.map(symbolOf)].map((symbol) => `-Wl,--wrap=${symbol}`);
  return linked(name, [...objects, ...measuring], path.replace(/(\.elf)?$/, "-measuring$1"), wraps);
}

/**
 * The image of one applet, from the objects of one that has others beside it: the same but for the table of applets, and sooner there
 * than what `npm run build:hardware -- BOARD --applets NAME` compiles anew.
 */
async function imageOfOne(root: string, name: BoardName, applet: AppletName, of: Image): Promise<Image> {
  const output = join(root, "build/hardware", `${name}-of-one-${applet}`);
  const { shrunk, image } = boardOf(name, {});
  const generated = join(output, "applets");
  const { table } = await appletSources(root, generated, [applet], shrunk);
  const include = [`-I${generated}`, `-I${join(root, "hardware/wasm")}`];
  const codes = compileObject(table, join(output, "objects"), strictly(root, name, include));
  const kept = of.objects.filter((object) => {
    const file = basename(object);
    return !file.startsWith("applets-") || file === `applets-${applet}.o`;
  });
  const objects = [...kept, codes];
  return { path: linked(name, objects, join(output, image)), objects };
}

/** One of the programs that come with the board's compiler. */
export function toolOf(name: BoardName, tool: string): string {
  return boardOf(name, {}).compiler.replace(/gcc$/, tool);
}

export interface SizedImage extends Image {
  readonly applets: readonly AppletName[];
  readonly sizes: Sizes;
}

/** Links it once more with a map, which is the image's own if the image becomes the same. */
function sized(root: string, name: BoardName, applets: readonly AppletName[], image: Image): SizedImage {
  const { path, objects } = image;
  const map = `${path}.map`;
  const again = linked(name, objects, `${path}.mapped`, [`-Wl,-Map=${map}`]);
  if (Buffer.compare(readFileSync(again), readFileSync(path)) !== 0)
    throw new SizesError(`${path} is another one when it is linked again, so that its map says nothing of it.`);
  const owners: Owners = {
    libsodium: new Set(libsodium(root).sources.map((source) => basename(objectOf("", source)))),
    applets: new Map(APPLETS.map((applet) => [identifier(applet), applet])),
  };
  const sections = readSections(run(toolOf(name, "readelf"), ["-SW", path]));
  return { ...image, applets, sizes: sizesOf(readFileSync(map, "utf8"), sections, owners) };
}

/** The board's usual image first, then each applet alone. `usualOptions`: as the board's tests build it. */
export async function imagesOf(
  root: string,
  name: BoardName,
  usualOptions: BoardOptions,
): Promise<readonly SizedImage[]> {
  const { applets } = boardOf(name, {});
  const images = [sized(root, name, applets, await buildImage(root, name, usualOptions))];
  for (const applet of APPLETS.filter((other) => !applets.includes(other)))
    images.push(sized(root, name, [applet], await buildImage(root, name, { applets: [applet] })));
  const [usual] = images as [SizedImage];
  if (applets.length > 1)
    for (const applet of applets) images.push(sized(root, name, [applet], await imageOfOne(root, name, applet, usual)));
  return images;
}
