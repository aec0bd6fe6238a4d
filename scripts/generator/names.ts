/** Spelling of one name in the languages that are generated, and doc comments. */

/** `flash_page_size` -> `flashPageSize`. */
export function camelCase(snake: string): string {
  return snake.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

/** `InvalidArgument` -> `INVALID_ARGUMENT`; `Ed25519` -> `ED25519`. */
export function upperCase(pascal: string): string {
  return pascal.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
}

/** Lines of a doc comment, folded at 120 columns. */
export function docComment(text: string, indent: string, tags: readonly string[] = []): string {
  const lines = [text, ...tags].flatMap((paragraph) => fold(paragraph, 120 - indent.length - 3));
  if (lines.length === 1 && indent.length + (lines[0] ?? "").length + 7 <= 120) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

function fold(paragraph: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of paragraph.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}

/** An argument list of C, broken over lines when it does not fit one. */
export function list(head: string, parameters: readonly string[], tail: string): string {
  const oneLine = `${head}(${parameters.join(", ")})${tail}`;
  const indent = `${/^ */.exec(head)?.[0] ?? ""}    `;
  return oneLine.length <= 120 ? oneLine : `${head}(\n${indent}${parameters.join(`,\n${indent}`)})${tail}`;
}

export function noticeOf(sources: string): string {
  return `Generated from ${sources} by \`npm run generate\`: do not edit.`;
}

export const NOTICE = noticeOf("firmware/platform/interface.ts");
