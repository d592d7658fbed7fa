// Files that the reader drops or chooses, folders with all that is in them.

const MOST = 100_000; // files at a time

// {files: [{file, name}], faults: [line]} of a drop. Call it before the event has ended.
export function ofDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const given = items.map((item) => ({
    file: item.getAsFile(),
    entry: item.webkitGetAsEntry?.() ?? null,
    handle: item.getAsFileSystemHandle?.() ?? null,
  }));
  return gathered(given);
}

// Likewise of an <input type=file>.
export function ofInput(input) {
  const files = [...input.files].map((file) => ({
    file,
    name: file.webkitRelativePath || file.name,
  }));
  return withoutHidden({ files, faults: [] });
}

async function gathered(given) {
  const found = { files: [], faults: [] };
  for (const { file, entry, handle } of given) {
    const isFolder = entry?.isDirectory ?? false;
    if (!isFolder && file) found.files.push({ file, name: file.name });
    else await takeFolder(entry, await settled(handle), found);
  }
  return withoutHidden(found);
}

async function settled(handle) {
  try {
    return await handle;
  } catch {
    return null; // a browser may refuse handles to a page from disk
  }
}

async function takeFolder(entry, handle, found) {
  const name = entry?.name ?? handle?.name ?? "a folder";
  try {
    if (handle?.kind === "directory") await takeHandle(handle, handle.name, found);
    else await takeEntry(entry, entry.name, found);
  } catch (error) {
    found.faults.push(
      `${name}: the browser does not open this folder (${error.name}); take "Choose a folder"`,
    );
  }
}

async function takeHandle(folder, path, found) {
  for await (const each of folder.values()) {
    const name = `${path}/${each.name}`;
    if (found.files.length >= MOST) return;
    if (each.kind === "directory") await takeHandle(each, name, found);
    else found.files.push({ file: await each.getFile(), name });
  }
}

async function takeEntry(folder, path, found) {
  const reader = folder.createReader();
  const part = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  for (let each = await part(); each.length > 0; each = await part()) {
    for (const entry of each) {
      const name = `${path}/${entry.name}`;
      if (found.files.length >= MOST) return;
      if (entry.isDirectory) await takeEntry(entry, name, found);
      else {
        const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
        found.files.push({ file, name });
      }
    }
  }
}

// Leaves out what its system hides, such as .DS_Store, as predict.py does.
function withoutHidden({ files, faults }) {
  const isHidden = ({ name }) => name.split("/").some((part) => part.startsWith("."));
  const kept = files.filter((each) => !isHidden(each));
  const hidden = files.length - kept.length;
  const lines = [...faults];
  if (hidden) lines.push(`${hidden} hidden files, whose names begin with a dot, are left out`);
  if (kept.length >= MOST) lines.push(`more than ${MOST} files: only the first ones are taken`);
  kept.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
  return { files: kept, faults: lines };
}
