#!/usr/bin/env bash
# Makes the recording that the origin packages: three H.264 renditions and one AAC track, 16 s each.
#
# Why 16 s: 25 pictures/s and 1024-sample AAC frames at 48 kHz meet only every 8 s (200 pictures, 375 frames), so a loop of 8 GOPs of 2 s
# repeats without a gap in either track. GOPs are closed and begin with an IDR picture. The number of GOPs is even, so idr_pic_id still
# alternates across the seam. The tone repeats every second, so the audio is cut from the middle of a longer encoding without a click.
# Needs ffmpeg with libx264. Run anywhere; writes next to itself. The result is not bit-exact between ffmpeg versions: commit what it made.
set -euo pipefail
cd "$(dirname "$0")"

fragments=(-movflags "+frag_keyframe+empty_moov+default_base_moof+omit_tfhd_offset" -f mp4)

video() { # name width height bitrate maxrate
  ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=640x360:rate=25:duration=16" \
    -vf "scale=$2:$3:flags=bicubic,setsar=1,format=yuv420p" \
    -c:v libx264 -preset veryslow -profile:v main -b:v "$4" -maxrate "$5" -bufsize "$5" \
    -x264-params "keyint=50:min-keyint=50:scenecut=0:open-gop=0:bframes=2:b-pyramid=none:b-adapt=0:threads=1" \
    -color_primaries bt709 -color_trc bt709 -colorspace bt709 -fflags +bitexact -flags:v +bitexact \
    "${fragments[@]}" "$1.mp4"
}

video 360p 640 360 330k 400k
video 240p 426 240 150k 190k
video 144p 256 144 70k 90k

# A little longer than the loop: the reader leaves out the encoder's start and keeps 750 frames.
ffmpeg -nostdin -v error -y -f lavfi -i "sine=frequency=440:beep_factor=2:sample_rate=48000:duration=18" \
  -ac 2 -c:a aac -b:a 48k -fflags +bitexact -flags:a +bitexact -frag_duration 2000000 \
  -movflags "+empty_moov+default_base_moof+omit_tfhd_offset" -f mp4 audio.mp4
ls -l ./*.mp4
