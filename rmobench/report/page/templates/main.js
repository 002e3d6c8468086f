// What happens when.

function drawFigures() {
  drawEcdf();
  drawProfile();
  drawMemory();
  drawCourses();
}

function show() {
  offer();
  showBoard();
  offerOptimizers(drawFigures);
  offerTasks();
  drawFigures();
}

find("filters").onchange = show;
find("course-task").onchange = drawCourses;
document.querySelectorAll("form").forEach((form) => { form.onsubmit = (event) => event.preventDefault(); });

if (find("precision-suite")) {
  fill(find("precision-suite"), Object.keys(data.precisions));
  find("precision-suite").onchange = drawPrecision;
}
if (find("ill-precision")) {
  fill(find("ill-precision"), Object.keys(data.pathologies.by_precision));
  find("ill-precision").onchange = drawPathologies;
}

show();
drawPrecision();
drawPathologies();
offerSearches();
offerClips();

// A link to a claim opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
}
window.addEventListener("hashchange", openTarget);
openTarget();

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  drawFigures();
  drawPrecision();
  if (find("search-kind")) drawSearches();
  if (find("pose-clip")) drawPose();
});
document.documentElement.dataset.ready = "yes";
