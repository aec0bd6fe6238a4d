/** Applets in files, and those that this package ships, wherever it runs from: its sources or its build. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Applet } from "./applet.js";

export type AppletName = "money-module" | "trusted-agent" | "purse";

/** The applets were not built. */
export class AppletMissing extends Error {
  override readonly name = "AppletMissing";
}

const loaded = new Map<string, Applet>();

/** The applet in a file, compiled once in a process and shared by its elements. */
export function loadApplet(path: string): Applet {
  let applet = loaded.get(path);
  if (applet === undefined) {
    applet = new Applet(readFileSync(path));
    loaded.set(path, applet);
  }
  return applet;
}

/** From now on, in this process, the file's applet is another one: an instrumented one, for a tool that measures. */
export function replaceApplet(path: string, applet: Applet): void {
  loaded.set(path, applet);
}

/** Folder of the package, from its sources as from any of its builds. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new AppletMissing("this file does not lie in the package that ships the applets");
    folder = parent;
  }
  return folder;
}

/** The release binary of an applet. */
export function shippedAppletPath(name: AppletName): string {
  return join(packageRoot(), "build/firmware", `${name}.wasm`);
}

/** A shipped applet; every call in a process gives the same. */
export function shippedApplet(name: AppletName): Applet {
  const path = shippedAppletPath(name);
  if (!existsSync(path)) throw new AppletMissing(`${path} is not there: run "npm run build" first`);
  return loadApplet(path);
}
