document.addEventListener("change", (event) => {
  const choice = event.target;
  if (!choice.matches(".styles input")) return;
  const figure = choice.closest("figure");
  figure.querySelectorAll(".after").forEach((image, n) => {
    image.hidden = n !== Number(choice.value);
  });
  figure.querySelector(".tag.right").textContent = choice.parentElement.textContent.trim();
});
