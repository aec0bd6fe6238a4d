/** Builds the firmware for a board: applets and libsodium as C, the platform and the board's own files, one image. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type AppletName, type AppletSources, appletSources } from "./applets.js";
import { type Board, type BoardName, type BoardOptions, boardOf, OTHERS, outputFolder, STRICT } from "./boards.js";
import { LIBSODIUM_DEFINES, type Libsodium, libsodium } from "./libsodium.js";
import { compileObject, hashOfHeaders } from "./objects.js";
import { run } from "./run.js";

export interface Image {
  readonly path: string;
  readonly objects: readonly string[];
}

interface Place {
  readonly root: string;
  readonly name: BoardName;
  readonly output: string;
  readonly sodium: Libsodium;
  readonly applets: AppletSources;
  readonly board: Board;
}

function sourcesOf(root: string, folders: readonly string[]): string[] {
  return folders.flatMap((folder) => {
    const path = join(root, folder);
    if (folder.endsWith(".c")) return [path];
    return readdirSync(path).flatMap((name) => (name.endsWith(".c") ? [join(path, name)] : []));
  });
}

function compileAll({ root, name, output, sodium, applets, board }: Place, own: readonly string[]): string[] {
  const generated = join(output, "applets");
  const include = [`-I${join(root, "hardware")}`, `-I${generated}`, `-I${join(root, "hardware/wasm")}`];
  const headers = hashOfHeaders([join(root, "hardware"), join(root, "test/hardware"), join(root, "test/stm32")]);
  const { compiler, flags, sodiumFlags = [] } = board;
  const objects = join(output, "objects");
  // System headers: what they say is no warning of ours.
  const ours = [...STRICT, `-DBOARD_NAME="${name}"`, ...include, "-isystem", sodium.include];
  const strict = { compiler, headers, flags: [...flags, ...ours] };
  const others = { compiler, headers, flags: [...flags, ...OTHERS, "-DNDEBUG", ...include] };
  const library = {
    compiler,
    headers,
    flags: [...flags, ...OTHERS, ...LIBSODIUM_DEFINES, ...sodiumFlags, `-I${sodium.include}`, `-I${sodium.ownInclude}`],
  };
  return [
    ...own.map((source) => compileObject(source, objects, strict)),
    ...applets.generated.map((source) => compileObject(source, objects, others)),
    ...sodium.sources.map((source) => compileObject(source, objects, library)),
  ];
}

/** The firmware, or the platform alone with a test in the place of applets and card (test/hardware/calls-stream.c). */
export type ImageKind = "firmware" | "platform-test";

interface Contents {
  readonly folders: readonly string[];
  /** Of other folders. */
  readonly files: readonly string[];
  readonly applets: AppletSources;
  readonly suffix: string;
}

async function contentsOf(
  kind: ImageKind,
  root: string,
  output: string,
  board: Board,
  chosen: readonly AppletName[],
): Promise<Contents> {
  if (kind === "firmware") {
    const applets = await appletSources(root, join(output, "applets"), chosen, board.shrunk);
    return { folders: ["hardware/platform", "hardware/wasm", "hardware/card"], files: [], applets, suffix: "" };
  }
  const binding = join(root, "hardware/wasm/binding.generated.c");
  return {
    folders: ["hardware/platform", "test/hardware"],
    files: ["hardware/card/frames.c"],
    applets: { generated: [], table: binding },
    suffix: "-platform-test",
  };
}

/** Builds an image of a board. */
export async function buildImage(
  root: string,
  name: BoardName,
  options: BoardOptions = {},
  kind: ImageKind = "firmware",
): Promise<Image> {
  const board = boardOf(name, options);
  const output = join(root, "build/hardware", outputFolder(name, options));
  const sodium = libsodium(root);
  const { folders, files, applets, suffix } = await contentsOf(
    kind,
    root,
    output,
    board,
    options.applets ?? board.applets,
  );
  const own = sourcesOf(root, [...folders, ...board.folders.map((folder) => `hardware/${folder}`)]);
  own.push(...files.map((file) => join(root, file)));
  const objects = compileAll({ root, name, output, sodium, applets, board }, [...own, applets.table]);
  const path = join(output, board.image.replace(/(\.elf)?$/, `${suffix}$1`));
  run(board.compiler, [...board.linkFlags, ...objects, "-o", path]);
  if (board.objcopy !== undefined) run(board.objcopy, ["-O", "binary", path, path.replace(/\.elf$/, ".bin")]);
  return { path, objects };
}
