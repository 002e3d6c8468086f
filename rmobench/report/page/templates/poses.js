// Stick figures seen from the side: the reference in grey, the fit in colour. Nothing moves until it is asked to.

function offerClips() {
  const select = find("pose-clip");
  if (!select) return;
  const names = data.poses.map((clip, i) => String(i));
  fill(select, names, (i) => data.poses[i].name);
  const offerFits = () => {
    fill(find("pose-fit"), Object.keys(data.poses[select.value].fits));
    find("pose-frame").max = data.poses[select.value].reference.length - 1;
    find("pose-frame").value = 0;
    drawPose();
  };
  select.onchange = offerFits;
  find("pose-fit").onchange = drawPose;
  find("pose-frame").oninput = drawPose;
  find("pose-play").onclick = play;
  offerFits();
}

let playing = null;

function play() {
  const button = find("pose-play");
  if (playing !== null) { clearInterval(playing); playing = null; button.textContent = "Play"; return; }
  const slider = find("pose-frame");
  button.textContent = "Pause";
  playing = setInterval(() => {
    slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
    drawPose();
  }, 1000 / data.poses[find("pose-clip").value].fps);
}

function drawPose() {
  const clip = data.poses[find("pose-clip").value];
  const canvas = find("pose-canvas");
  const frame = Number(find("pose-frame").value);
  const fit = clip.fits[find("pose-fit").value];
  const scale = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const pen = canvas.getContext("2d");
  const figures = [[clip.reference[frame], css("--faint"), 4], ...(fit ? [[fit[frame], PALETTE[1], 2.5]] : [])];
  const [hip] = clip.reference[frame];
  const unit = canvas.height / 2.6; // a frame of 2.6 m around the first joint
  const at = ([x, , z]) => [canvas.width / 2 + unit * (x - hip[0]), canvas.height / 2 - unit * (z - hip[2])];
  for (const [joints, colour, width] of figures) {
    pen.strokeStyle = colour;
    pen.lineWidth = width * scale;
    pen.lineCap = "round";
    pen.beginPath();
    for (const [a, b] of clip.bones) { pen.moveTo(...at(joints[a])); pen.lineTo(...at(joints[b])); }
    pen.stroke();
  }
  find("pose-said").textContent = `Frame ${frame + 1} of ${clip.reference.length}, ${(frame / clip.fps).toFixed(2)} s. ` +
    `Grey: ${clip.name}. ${fit ? `Orange: fitted by ${find("pose-fit").value}.` : ""}`;
}
