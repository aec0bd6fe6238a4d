/**
 * libsodium for the boards: the source package of Debian with its fixes, of which the files that the platform needs are compiled
 * like its own. Its random source is not among them: a link that succeeds proves that nothing asks it for a key.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.js";

const PACKAGE = "libsodium";
const SOURCE = "src/libsodium";
/** Whose field and whose promises about it the Cortex-M4's products are made for (hardware/boards/stm32f405/fe25519.h). */
const VERSION = "1.0.18";

const FILES = [
  "crypto_aead/chacha20poly1305/sodium/aead_chacha20poly1305.c",
  "crypto_auth/hmacsha256/auth_hmacsha256.c",
  "crypto_core/ed25519/ref10/ed25519_ref10.c",
  "crypto_hash/sha256/cp/hash_sha256_cp.c",
  "crypto_hash/sha256/hash_sha256.c",
  "crypto_hash/sha512/cp/hash_sha512_cp.c",
  "crypto_hash/sha512/hash_sha512.c",
  "crypto_onetimeauth/poly1305/donna/poly1305_donna.c",
  "crypto_onetimeauth/poly1305/onetimeauth_poly1305.c",
  "crypto_scalarmult/curve25519/ref10/x25519_ref10.c",
  "crypto_scalarmult/curve25519/scalarmult_curve25519.c",
  "crypto_sign/ed25519/ref10/keypair.c",
  "crypto_sign/ed25519/ref10/open.c",
  "crypto_sign/ed25519/ref10/sign.c",
  "crypto_stream/chacha20/ref/chacha20_ref.c",
  "crypto_stream/chacha20/stream_chacha20.c",
  "crypto_verify/sodium/verify.c",
  "sodium/utils.c",
];

/** As its own build would find out on the boards that there are, which are little-endian. */
export const LIBSODIUM_DEFINES = [
  "-DCONFIGURED=1",
  "-DNATIVE_LITTLE_ENDIAN=1",
  "-DHAVE_WEAK_SYMBOLS=1",
  "-DHAVE_INLINE_ASM=1",
  "-DSODIUM_STATIC=1",
];

export interface Libsodium {
  readonly sources: readonly string[];
  /** Folders of headers for what uses it. */
  readonly include: string;
  /** Folder of headers for its own files, beside it. */
  readonly ownInclude: string;
}

/** The source package cannot be had here; the message says what to do. */
export class LibsodiumMissing extends Error {
  override readonly name = "LibsodiumMissing";
}

function missing(what: string): LibsodiumMissing {
  return new LibsodiumMissing(
    `The source of libsodium could not be had: ${what}\n` +
      'It comes from Debian\'s source package, by "apt-get source" and "dpkg-source" (packages apt and dpkg-dev). Where there is none, ' +
      `unpack libsodium ${VERSION} to build/hardware/${PACKAGE} yourself.`,
  );
}

/** A list of Debian's sources beside the system's own, which stays as it is: from the places that apt gets packages from. */
function sourceList(): string {
  const format = "$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)";
  const targets = run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]);
  const lines = targets.split("\n").map((line) => line.split("|"));
  const debian = lines.filter(([origin, , component]) => origin === "Debian" && component === "main");
  return debian.map(([, release, component, place]) => `deb-src ${place} ${release} ${component}\n`).join("");
}

function unpack(folder: string): void {
  const work = `${folder}.new`;
  rmSync(work, { recursive: true, force: true });
  for (const name of ["lists/partial", "cache/archives/partial", "sources.d"])
    mkdirSync(join(work, name), { recursive: true });
  writeFileSync(join(work, "sources.d/source.list"), sourceList());
  const places = { "Dir::Etc::sourceparts": "sources.d", "Dir::State::lists": "lists", "Dir::Cache": "cache" };
  const options = Object.entries(places).flatMap(([name, path]) => ["-o", `${name}=${join(work, path)}`]);
  options.push("-o", "Dir::Etc::sourcelist=/dev/null");
  run("apt-get", [...options, "-q", "update"]);
  run("apt-get", [...options, "-q", "source", "--download-only", PACKAGE], work);
  const description = readdirSync(work).find((name) => name.endsWith(".dsc"));
  if (description === undefined) throw missing("apt-get brought no description of it.");
  run("dpkg-source", ["-x", description, "unpacked"], work);
  renameSync(join(work, "unpacked"), folder);
  rmSync(work, { recursive: true, force: true });
}

function versionIn(folder: string): string {
  const file = join(folder, "configure.ac");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return /^AC_INIT\(\[libsodium\],\[([^\]]+)\]/m.exec(text)?.[1] ?? "unknown";
}

/** Where its files are; fetched once, and kept with what is built. */
export function libsodium(root: string): Libsodium {
  const folder = join(root, "build/hardware", PACKAGE);
  if (!existsSync(folder)) {
    console.error("fetching the source of libsodium");
    try {
      unpack(folder);
    } catch (error) {
      if (error instanceof LibsodiumMissing) throw error;
      throw missing(error instanceof Error ? error.message : String(error));
    }
  }
  const source = join(folder, SOURCE);
  const absent = FILES.filter((name) => !existsSync(join(source, name)));
  if (absent.length > 0) throw missing(`${folder} lacks ${absent.join(", ")}.`);
  const version = versionIn(folder);
  if (version !== VERSION) throw missing(`in ${folder} is version ${version}, and the boards are made for ${VERSION}.`);
  const include = join(source, "include");
  return { sources: FILES.map((name) => join(source, name)), include, ownInclude: join(include, "sodium") };
}
