// What a picture measured, pixel by pixel, and how a window makes grey of it.

// A NumPy file (numpy.lib.format, version 1.0) of two dimensions, in C order.
function parseNpy(buffer) {
  const length = new DataView(buffer).getUint16(8, true);
  const header = new TextDecoder("latin1").decode(new Uint8Array(buffer, 10, length));
  const kind = { "<i2": Int16Array, "<u2": Uint16Array, "<f4": Float32Array }[/'descr': '([^']+)'/.exec(header)[1]];
  const [height, width] = /\((\d+), (\d+)\)/.exec(header).slice(1).map(Number);
  return { values: new kind(buffer, 10 + length), width, height };
}

// The samples of a deep picture, from their address; ``facts`` where that cannot carry them.
async function fetchSamples(address, facts, signal) {
  const answer = await fetch(address, { signal });
  if (!answer.ok) throw new Error(String(answer.status));
  const told = facts ?? JSON.parse(answer.headers.get("X-Medclip-Samples"));
  return { ...parseNpy(await answer.arrayBuffer()), ...told };
}

// The same of a picture of 8 bits: what the browser decoded, in one window for its colours.
function imageSamples(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { colours: data, width, height, window: [127.5, 255], unit: "", inverted: false, padding: null };
}

// Fill ``canvas`` with what a window ``[centre, width]`` shows (PS3.3 C.11.2.1.3.2, LINEAR_EXACT).
function shade(samples, [centre, width], inverted, canvas) {
  if (canvas.width !== samples.width || canvas.height !== samples.height) {
    canvas.width = samples.width;
    canvas.height = samples.height;
  }
  const context = canvas.getContext("2d");
  const shown = context.createImageData(samples.width, samples.height);
  const low = centre - width / 2;
  const scale = 255 / width;
  const grey = (value) => {
    const level = Math.min(255, Math.max(0, (value - low) * scale));
    return inverted ? 255 - level : level;
  };
  if (samples.colours) {
    const table = Uint8ClampedArray.from({ length: 256 }, (_, value) => grey(value));
    const from = samples.colours;
    for (let at = 0; at < from.length; at += 4) {
      shown.data[at] = table[from[at]];
      shown.data[at + 1] = table[from[at + 1]];
      shown.data[at + 2] = table[from[at + 2]];
      shown.data[at + 3] = from[at + 3];
    }
  } else {
    const pixels = new Uint32Array(shown.data.buffer); // little-endian ABGR
    const [first, last] = samples.padding ?? [Infinity, -Infinity];
    for (let at = 0; at < pixels.length; at++) {
      const value = samples.values[at];
      const level = value >= first && value <= last ? 0 : Math.round(grey(value)) || 0;
      pixels[at] = 0xff000000 | (level * 0x010101);
    }
  }
  context.putImageData(shown, 0, 0);
}

// The least and greatest value, between which the sliders run.
function range(samples) {
  if (samples.colours) return [0, 255];
  let low = Infinity, high = -Infinity;
  for (const value of samples.values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
