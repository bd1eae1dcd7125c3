"""The command lines that `digests` runs, one a line and in this order, in the folder that `digest_world` made.

`< FILE` gives stdin, `!append FILE`, `!remove FILE` and `!copy FILE TO` change the world, `#` begins a remark.
Spoken for all of them: the CPU, fp32, one thread each for reading, the net and writing.
"""

from __future__ import annotations

NETS = "--net compact --width 4 --size 40 --crop 32 --ema 0.9 --steps 3 --save-every 2 --sample-every 3"
SMALL = "--discriminator-layers 2 --discriminator-width 8"
PATCH = f"--discriminator nlayers {SMALL}"
MULTISCALE = "--discriminator multiscale --discriminator-layers 2 --discriminator-scales 2 --discriminator-width 8"
"""What makes runs of milliseconds, in one place: `$NETS`, `$SMALL`, `$PATCH` and `$MULTISCALE` stand for it below."""

CONVERT = """
convert stills --to tiny.safetensors -o all/
convert stills --to tiny.safetensors -o all/ --json
convert stills --to tiny.safetensors -o all/ --detail 0.9
convert stills --to tiny.safetensors -o all/ --detail 0.9 --update --json -v
convert stills --to two.safetensors -o strokes/ --json --failed-list failed.txt
convert stills --to resnet.safetensors -o full/ --work-size full
convert stills --to tiny.safetensors -o png/ -f png
convert stills --to tiny.safetensors -o jpg/ -f jpg --json
convert stills --to tiny.safetensors -o webp/ -f webp
convert stills --to tiny.safetensors -o tiff/ -f tiff
convert stills --to tiny.safetensors -o avif/ -f avif --quality 40
convert stills --to tiny.safetensors -o stripped/ --strip
convert stills --to tiny.safetensors -o gps/ --strip gps -v
convert stills --to tiny.safetensors -o compared/ --compare --keep-colour
convert stills --to tiny.safetensors -o as-they-are/ --strength 0
convert photos --to tiny.safetensors --dry-run
convert photos --to tiny.safetensors --dry-run -v --work-size full
convert photos --to two.safetensors --dry-run -v --json
convert photos --to tiny.safetensors
!append photos-tiny/1.png
!remove photos-tiny/2.png
convert photos --to tiny.safetensors --dry-run
convert photos --to tiny.safetensors
convert photos --to tiny.safetensors --overwrite -q --strength 0.4
convert photos --to tiny.safetensors --no-recursive --name {style}-{stem}{ext} -o named
convert photos sources --to unet.safetensors -o several/ --sample 3 -j 2
convert photos --to resnet.safetensors -o limited/ --limit 2 --detail 0 --work-size 48 --keep-color
convert photos/*.png --to two.safetensors -o shares/ --strokes 0.3 --detail 0.2 --strength 0.7
convert photos --to two.safetensors -o none/ --strokes 0 --quality 50 -f jpg
convert photos --to two.safetensors -o two-full/ --strokes 1 --work-size full -f webp
convert photos stills/jpeg.jpg --to tiny.safetensors -o paged/ --sheet sheet.jpg --gallery page.html
convert photos --to tiny.safetensors -o paged/ --sheet sheet.png --gallery page.html --overwrite --json
convert photos/0.png --to all -o every/ --sheet every.png
convert photos/0.png --to monet
convert photos/0.png --to winter -o winter.webp
convert --files-from list.txt --to tiny.safetensors -o listed/
convert --files-from - --to tiny.safetensors -o listed-too/ < list.txt
convert - --to tiny.safetensors < stills/rich.jpg
convert - --to two.safetensors -f png -o - < stills/png-16.png
convert - --to tiny.safetensors -o streamed.webp --compare < stills/gif-moving.gif
convert stills/heic.heic --to tiny.safetensors -o -
convert stills/jpeg.jpg stills/jpeg-420.jpg stills/cut.jpg --to tiny.safetensors -o fast/ --fail-fast
convert stills/png.png --to tiny.safetensors -o sized/ --max-pixels 1000
convert photos/0.png --to net_G.pth -o foreign/
convert big.jpg --to tiny.safetensors -o big/
convert big.jpg --to tiny.safetensors -o rows/ --memory 392M
convert big.jpg big.png --to two.safetensors -o rows-two/ --memory 505M -v
convert big.png --to tiny.safetensors -o rows-full/ --work-size full --memory 396M --dry-run -v
convert big.png --to tiny.safetensors -o rows-full/ --work-size full --memory 396M
convert big.png --to tiny.safetensors -o too-little/ --memory 100M
convert all/rich.jpg --to resnet.safetensors -o again/
models info all/rich.jpg
models info strokes/png.png --json
models info paged/jpeg.jpg
models info sheet.png
"""

VIDEO = """
video clips --style tiny.safetensors --codec ffv1 --smooth off --dry-run
video clips --style tiny.safetensors --codec ffv1 --smooth off -o off/
video clips --style tiny.safetensors --codec ffv1 --smooth off -o off/ --json
video clips --style tiny.safetensors --codec ffv1 --smooth light -o light/ --stats stats.json
video clips/whole.mkv --style resnet.safetensors --codec ffv1 --smooth strong -o strong.mkv --keep-colour --detail 0.2
video clips/whole.mkv --style two.safetensors --codec ffv1 -o strokes.mkv --strokes 0.5 --work-size 24 --strength 0.8
video clips/whole.mkv --style tiny.safetensors --codec ffv1 -o part.mkv --start 0.2 --end 00:00:00.6 --no-audio
video clips/whole.mkv --style tiny.safetensors --codec ffv1 --preview 0.3 --json
video clips/film.mp4 --style tiny.safetensors --max-height 24 --crf 30 --preset ultrafast
video clips/film.mp4 --style tiny.safetensors --max-height 24 --crf 31 --preset ultrafast
video clips/film.mp4 --style tiny.safetensors --max-height 24 --crf 31 --preset ultrafast --update --no-resume
video clips/film.mp4 --style tiny.safetensors --codec hevc --preset ultrafast -o film-hevc.mkv --smooth off
video clips/film.mp4 --style tiny.safetensors --codec av1 --preset veryfast -o film-av1.webm --end 0.5
video frames/%05d.png --fps 12 --style tiny.safetensors --codec ffv1 -o from-frames.mkv
video clips/film.mp4 --style tiny.safetensors --smooth off -o to-frames/%04d.png
video frames/%05d.png --style tiny.safetensors -o frames-to-frames/%03d.jpg
video stills/gif-moving.gif stills/webp-moving.webp --style tiny.safetensors --codec ffv1 -o moving/
models info strong.mkv
models info clips/film.mp4
evaluate --flicker off/whole.mkv --source clips/whole.mkv
evaluate --flicker strong.mkv --source clips/whole.mkv --size 64 --json
"""

TRAIN = """
train train/red train/blue -o run $NETS $PATCH --pool 3
train -o run --resume --steps 5
train train/red train/blue -o run $NETS $PATCH --json
train train/red train/blue -o cut --method cut $NETS $PATCH --nce-width 16 --nce-patches 16 --json
train train/red train/blue -o fastcut --method fastcut $NETS $PATCH --nce-patches 16 --lambda-shift 1 --lambda-grid 1
train train/red train/blue -o unit --method unit --size 40 --crop 32 --width 4 --steps 2 --discriminator-width 8 -q
train train/red train/blue -o unit18 --method unit --variant 2018 --size 40 --crop 32 --width 4 --steps 2 $MULTISCALE
train pairs/red pairs/blue -o pix --method pix2pix --net unet128 --width 4 --size 143 --crop 128 --steps 2 $PATCH
train side -o side-run --method pix2pix --net unet128 --width 4 --size 143 --crop 128 --steps 2 $PATCH --direction B2A
train train/red train/blue -o simgan --method simgan $NETS $PATCH
train train/red train/blue -o bigan --method bigan $NETS $PATCH
train train/red train/blue -o cogan --method cogan --steps 2 --batch 4 --discriminator-width 8 --width 4
train train/red train/blue -o wgan $NETS $PATCH --gan wgangp --cycle forward --grad-clip 1 --schedule cosine --warmup 1
train train/red train/blue -o plain $NETS --no-gan --weight-init orthogonal --lambda-identity 0 --skip --seed 7
train train/red train/blue -o augmented $NETS $PATCH --diff-augment color,translation,cutout --batch 2 --lr 0.001
train train/red train/blue -o vgg $NETS --discriminator vgg19 $SMALL --gan vanilla
train train/red train/blue -o from-run --start-from run $NETS $PATCH --licence "CC0 1.0"
train train/red train/blue -o set --config settings.json $NETS $PATCH
train train/red train/blue -o features --method simgan --feature-loss vgg19 $NETS $PATCH --seed 3
train train/red train/blue -o stroke-run --method cut --strokes-of tiny.safetensors --crop 32 --steps 2 $PATCH
convert photos --to run -o by-run/ --work-size 32
convert photos --to run --direction B2A -o back-by-run/ --work-size full
convert photos --to unit -o by-unit/
convert photos --to stroke-run -o by-strokes/
"""

MODELS = """
models
models list --json
models info tiny.safetensors
models info two.safetensors --json
models info run
models info net_G.pth
models info monet
models path winter
models verify
models import net_G.pth -o imported.safetensors
models import net_G.pth -o imported.safetensors --overwrite
models add net_G.pth --name zebra
models add run --name ours --direction B2A
models add two.safetensors --name doubled
models add cut/weights/A2B.safetensors --name cut
models list
models verify zebra ours doubled cut
models info ours --json
convert photos/0.png --to zebra -o named-styles/
convert photos/1.png --to doubled -o named-styles/
models remove zebra
models remove zebra
models list --json
evaluate made reference --size 64
evaluate made reference --size 64 --inputs sources --back back --json
evaluate made reference --size 64 --inputs sources --sample 3 --seed 2
evaluate --labels found truth --palette palette.txt
evaluate --labels found truth --palette palette.txt --json
"""

HELP = """
--version
--help

convert --help
video --help
train --help
evaluate --help
models --help
models list --help
models info --help
models path --help
models verify --help
models get --help
models import --help
models add --help
models remove --help
"""

WRONG = """
nonsense
--nonsense
convert
convert photos
convert --to tiny.safetensors
convert photos --to nowhere
convert photos --to monnet
convert photos --to damaged.safetensors
convert photos --to net_D.pth
convert photos --to train
convert missing.png --to tiny.safetensors
convert missing --to tiny.safetensors -o x/
convert photos/9*.png --to tiny.safetensors
convert photos --to tiny.safetensors --strength 3
convert photos --to tiny.safetensors --detail 2
convert photos --to tiny.safetensors --strokes 0.5
convert photos --to tiny.safetensors --work-size small
convert photos --to tiny.safetensors --work-size 0
convert photos --to tiny.safetensors --quality 101
convert photos --to tiny.safetensors -f bmp
convert photos --to tiny.safetensors --device gpu
convert photos --to tiny.safetensors --device cuda:99
convert photos --to tiny.safetensors --precision fp16
convert photos --to tiny.safetensors --memory lots
convert photos --to tiny.safetensors --memory 1M
convert photos --to tiny.safetensors -j 0
convert photos --to tiny.safetensors --name {nonsense}
convert photos --to tiny.safetensors -o one.png
convert photos/0.png --to tiny.safetensors -o photos/0.png
convert photos/0.png --to tiny.safetensors -o x.txt
convert photos/0.png --to tiny.safetensors -o x.png -f jpg
convert stills --to tiny.safetensors -f jpg --on-clash refuse -o clash/
convert photos --to tiny.safetensors --files-from missing.txt
convert photos --to tiny.safetensors --gallery page.txt
convert photos --to tiny.safetensors --sheet photos/0.png
convert photos --to all --direction B2A
convert s3://bucket/a.png --to tiny.safetensors
convert - --to tiny.safetensors < palette.txt
convert - photos --to tiny.safetensors
convert - --to tiny.safetensors --json < photos/0.png
convert - --to all < photos/0.png
convert clips/film.mp4 --to tiny.safetensors
video clips/film.mp4
video missing.mp4 --style tiny.safetensors
video photos/0.png --style tiny.safetensors -o x/
video clips/film.mp4 --style tiny.safetensors --crf 99
video clips/film.mp4 --style tiny.safetensors --preset swift
video clips/film.mp4 --style tiny.safetensors --start soon
video clips/film.mp4 --style tiny.safetensors --start 9
video clips/film.mp4 --style tiny.safetensors --start 0.5 --end 0.2
video clips/film.mp4 --style tiny.safetensors --max-height 0
video clips/film.mp4 --style tiny.safetensors --memory 1M
video clips/film.mp4 --style tiny.safetensors -o x.avi
video frames/%05d.png --style tiny.safetensors --fps none
train
train train/red
train train/red missing -o x
train train/red train/red -o x $NETS $PATCH --steps 0
train train/red train/blue -o x --method nonsense
train train/red train/blue -o x --method cut --lambda-cycle 3
train train/red train/blue -o x --crop 300 --size 200
train train/red train/blue -o x --lr -1
train train/red train/blue -o x --no-gan --discriminator-width 8
train train/red train/blue -o x --config wrong.json
train train/red train/blue -o x --config missing.json
train train/red train/blue -o x --diff-augment blur
train train/red train/blue -o x --start-from nowhere $NETS $PATCH
train -o nowhere --resume
train -o run --resume --paper
train -o run --resume --seed 3
evaluate made
evaluate made missing
evaluate made reference --palette palette.txt
evaluate --labels found truth
evaluate --labels found truth --palette list.txt
evaluate --flicker clips/film.mp4
evaluate made reference --inception missing.pth
evaluate found truth --size 8
models nonsense
models info
models info nowhere
models info photos/0.png
models get nowhere
models add tiny.safetensors --name ../x
models add missing.pth --name x
models import net_D.pth -o discriminator.safetensors
models import net_G.pth -o x.pth
models remove monet
models path nowhere
models verify nowhere
"""

SECTIONS = {"convert": CONVERT, "video": VIDEO, "train": TRAIN, "models": MODELS, "help": HELP, "wrong": WRONG}
WORDS = {"$NETS": NETS, "$PATCH": PATCH, "$SMALL": SMALL, "$MULTISCALE": MULTISCALE}
ALWAYS = {
    "convert": "--device cpu --precision fp32 -j 1",
    "video": "--device cpu --precision fp32 -j 1",
    "train": "--device cpu --precision fp32 -j 1",
    "evaluate": "--device cpu -j 1",
}
"""What is added to every command of that name that does not say it itself."""
