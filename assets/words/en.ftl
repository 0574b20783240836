# Every word of the window, English. Keys are the same in every language; a test holds them to that.

menu-file = File
menu-edit = Edit
menu-view = View
menu-help = Help
search-commands = Search commands
close = Close
cancel = Cancel
original = Original
result = Result
pictures = Pictures
parameters = parameters

cmd-open = Open pictures…
cmd-open-tip = Choose one or more pictures to work on.
cmd-open-folder = Open folder…
cmd-open-folder-tip = Choose a folder; every picture in it joins the film strip.
cmd-open-path = Open by path…
cmd-open-path-tip = Type or paste where a picture or a folder is.
cmd-open-samples = Open the sample pictures
cmd-open-samples-tip = Add the three pictures that come with Lucida.
cmd-paste = Paste picture
cmd-paste-tip = Take the picture (or the file path) from the clipboard.
cmd-export = Export picture…
cmd-export-tip = Save what you see, at the picture's full size.
cmd-export-all = Export all results…
cmd-export-all-tip = Save the result of every picture that has one for these settings into a folder.
cmd-copy = Copy result
cmd-copy-tip = Put what you see on the clipboard, at full size.
cmd-remove = Remove picture from strip
cmd-remove-tip = Take the shown picture out of the film strip. The file stays where it is.
cmd-previous = Previous picture
cmd-previous-tip = Show the picture to the left in the film strip.
cmd-next = Next picture
cmd-next-tip = Show the picture to the right in the film strip.
cmd-apply-all = Apply to all pictures
cmd-apply-all-tip = Queue what is chosen now for every picture of the film strip.
cmd-cancel = Cancel job
cmd-cancel-tip = Stop the job that is running. Finished results stay.
cmd-cancel-all = Cancel all jobs
cmd-cancel-all-tip = Stop the running job and drop all that wait. Finished results stay.
cmd-undo = Undo
cmd-undo-tip = Take the last change of the task's settings back.
cmd-redo = Redo
cmd-redo-tip = Make the change again that was taken back.
cmd-reset-look = Reset the task's settings
cmd-reset-look-tip = Everything as at first; the chosen style or model stays.
cmd-zoom-fit = Zoom to fit
cmd-zoom-fit-tip = Show the whole picture.
cmd-zoom-one = Actual size
cmd-zoom-one-tip = One picture pixel on one screen pixel.
cmd-zoom-in = Zoom in
cmd-zoom-in-tip = Go closer. The mouse wheel goes to the cursor.
cmd-zoom-out = Zoom out
cmd-zoom-out-tip = Go farther away.
cmd-compare-result = Show result
cmd-compare-result-tip = Show the result alone.
cmd-compare-split = Compare with a split line
cmd-compare-split-tip = Original left of the line, result right of it. Drag the line.
cmd-compare-side = Compare side by side
cmd-compare-side-tip = Original and result beside each other, moved together.
cmd-compare-difference = Show difference
cmd-compare-difference-tip = Show how far each pixel is from the original; black is unchanged.
cmd-task-style = Style transfer
cmd-task-style-short = Style
cmd-task-style-tip = Repaint the picture in the manner of a painting.
cmd-task-segment = Segment
cmd-task-segment-short = Segment
cmd-task-segment-tip = Tell what each pixel shows: people, cars, the sky. Colours glide over the picture.
cmd-open-checkpoint = Open a checkpoint…
cmd-open-checkpoint-tip = Segment with weights from a file: torchvision's FCN, DeepLabV3 or LR-ASPP, or a U-Net (.pth, .safetensors). Dropping the file on the window does the same.
checkpoints = Checkpoints
cmd-toggle-inspector = Show inspector
cmd-toggle-inspector-tip = Show or hide the controls at the right.
cmd-toggle-strip = Show film strip
cmd-toggle-strip-tip = Show or hide the pictures and results at the bottom.
cmd-theme-system = Theme of the system
cmd-theme-system-tip = Light or dark, as the system is set.
cmd-theme-light = Light theme
cmd-theme-light-tip = Dark text on light panels.
cmd-theme-dark = Dark theme
cmd-theme-dark-tip = Light text on dark panels.
cmd-scale-up = Larger interface
cmd-scale-up-tip = Make text and controls larger.
cmd-scale-down = Smaller interface
cmd-scale-down-tip = Make text and controls smaller.
cmd-scale-reset = Interface at normal size
cmd-scale-reset-tip = Text and controls as the system has them.
cmd-reduce-motion = Reduce motion
cmd-reduce-motion-tip = Panels and menus appear at once, without animation.
cmd-language-en = English
cmd-language-en-tip = Show the window in English.
cmd-language-ko = 한국어 (Korean)
cmd-language-ko-tip = Show the window in Korean.
cmd-palette = Search commands…
cmd-palette-tip = Find any command by its name.
cmd-about = About Lucida
cmd-about-short = About
cmd-about-tip = The version, the models with their terms, and whose work they rest on.
cmd-quit = Quit
cmd-quit-tip = Close the window. Pictures and settings are there again at the next start.

palette-hint = Type a command
palette-none = No command has these words.

invitation = Drop a picture here
invitation-more = or a whole folder. Lucida repaints it on this computer; nothing leaves it.
drop-here =
    { $count ->
        [one] Drop to open the picture
       *[other] Drop to open { $count } pictures
    }
canvas-label = Canvas with { $name }
split-handle = Split line
hold-original = Hold to see the original
hold-original-tip = Press and hold to see the original. The space bar does the same; hold L for a loupe.
zoom-now = Zoom, click for actual size

style-hint = What each style makes of this picture. Click one.
style-hint-mix = Click styles to add them or take them out.
model-loading = Loading the model…
mix-styles = Mix styles
mix-styles-tip = Choose several styles; each gets a weight. Ctrl and click does the same.
mix-weight-tip = How much of this style is in the mix. The new mix is computed when you let go.
strength = Strength
strength-tip = How much of the result covers the original. 0 % is your photo. Double click for full strength.
keep-colours = Keep the photo's colours
keep-colours-tip = Take only light and dark from the result, and the colours from your photo.
stroke = Strokes
stroke-tip = The size the network paints at. Smaller sizes give broader strokes, and are faster.
stroke-fine = Fine ({ $pixels } px)
stroke-medium = Medium ({ $pixels } px)
stroke-broad = Broad ({ $pixels } px)
stroke-bold = Bold ({ $pixels } px)
bf16 = Faster, less exact arithmetic (bf16)
bf16-tip = Multiplies with 8 significant bits instead of 24 and paints the picture anew, sooner. Measured on the sample pictures, colours differ by at most 4 of 255 levels, by 2 or less in 99.9 % of all values.
bf16-missing = This processor lacks the instructions for it (AVX512-BF16).

style-hokusai-great-wave = Great Wave
style-van-gogh-auvers = Auvers
style-kandinsky-composition-viii = Composition VIII
style-hiroshige-mackerel = Mackerel
style-hokusai-poppies = Poppies
style-cassatt-summertime = Summertime
style-hokusai-ejiri = Ejiri
style-arcimboldo-spring = Spring
style-hiroshige-benzaiten-shrine = Benzaiten Shrine
style-bruegel-harvesters = Harvesters
style-identity = Photo
mix-photo = Mix in the photo itself
mix-photo-tip = The network also knows how to give the photo back. Mixed in, it tames the style where it paints, not only where it shows.

segment-model = Model
segment-model-tip = The network and what it was taught: everyday things in any photo, or streets seen from a car.
segment-other = Against
segment-other-tip = A second model, to compare. It lies left of the split line; the difference view shows where the two disagree.
segment-other-none = Original photo
segment-checkpoint = A checkpoint from { $path }
segment-running = Looking at every pixel…
segment-none = The network has not seen this picture.
segment-again = Segment
segment-nothing = The network sees none of the things it knows in this picture.
segment-try = Try { $model }
segment-classes =
    { $count ->
        [one] 1 class in this picture
       *[other] { $count } classes in this picture
    }
segment-bf16-tip = Multiplies with 8 significant bits instead of 24 and segments the picture anew, sooner. Borders may move by a pixel or two.
model-deeplabv3plus-voc = Everyday · DeepLabV3+
model-deeplabv3plus-voc-tip = Twenty kinds of things in any photo: people, animals, vehicles, furniture.
model-deeplabv3plus-camvid = Streets · DeepLabV3+
model-deeplabv3plus-camvid-tip = Dilated convolutions look far around each place (ASPP), and a decoder brings the edges back.
model-unet-camvid = Streets · U-Net
model-unet-camvid-tip = Every size of the way down is joined again on the way up, so fine things survive. Each step up grows to the size of what it joins, so odd sizes fit: 7 to 3 to 6 would not.
model-fcn-8s-camvid = Streets · FCN-8s
model-fcn-8s-camvid-tip = Scores at a 32nd of the size, mended by skips from a 16th and an 8th.
model-fcn-16s-camvid = Streets · FCN-16s
model-fcn-16s-camvid-tip = The same network with one skip less: from a 16th of the size.
model-fcn-32s-camvid = Streets · FCN-32s
model-fcn-32s-camvid-tip = The same network without skips: scores at a 32nd of the size, and blobs are what is left.
show-classes = Classes
show-classes-tip = Each pixel in the colour of its likeliest class.
show-probability = Probability
show-probability-tip = How likely the chosen class is, place by place. Click a class to choose it.
show-uncertainty = Doubt
show-uncertainty-tip = Where the network is unsure: the entropy of its probabilities.
mode-fill = Fill
mode-fill-tip = Colours over the photo.
mode-outlines = Outlines
mode-outlines-tip = Lines around each class; the photo stays as it is.
mode-cut-out = Cut-out
mode-cut-out-tip = The photo only where a shown class is; the rest becomes transparent, also in an exported PNG. Opacity has no say.
colormap = Colours
colormap-tip = From nothing to all. Viridis, Magma and Cividis grow evenly lighter; Cividis looks alike to colour-blind people.
opacity = Opacity
opacity-tip = How strongly the overlay covers the photo. Nothing is computed again.
show-names = Names
show-names-tip = Write the names on the regions of the canvas.
show-legend = Legend
show-legend-tip = A legend within the canvas, which can be dragged where it does not disturb.
show-all = Show all classes
class-colour = Colour of { $class }
class-colour-tip = Choose another colour. A right click goes back to the first.
class-pick-tip = Light this class up, here and on the canvas. Click again to let go.
class-hide = Hide { $class }
class-show = Show { $class }
class-solo = Show { $class } alone
crf = Follow the picture's edges (CRF)
crf-tip = A dense conditional random field: pixels that are near and of like colour would rather have the same class. It takes a second or more.
crf-iterations = Rounds
crf-iterations-tip = How often every pixel listens to all others. Default: 5.
crf-reach = Reach
crf-reach-tip = How far pixels of like colour agree, in hundredths of the picture's longer side. Default: 10 %.
crf-smoothness = Smoothness
crf-smoothness-tip = How far any two pixels agree, whatever their colours, in pixels of what the network sees. Default: 3.
crf-colour = Colour tolerance
crf-colour-tip = How unlike two colours (0 to 255) may be and still agree. Default: 8.
detail = Detail
detail-tip = The size the network sees the picture at. Larger finds smaller things, takes longer, and may take large things to pieces.
detail-usual = As trained
detail-usual-pixels = As trained ({ $pixels } px)
detail-pixels = { $pixels } px
scale-probability = Probability of { $class }
scale-uncertainty = Doubt (entropy)
scale-sure = sure
scale-unsure = any class
job-segment = { $model }
export-what-picture = Picture
export-what-picture-tip = What you see, with the overlay.
export-what-labels = Labels
export-what-labels-tip = The number of each pixel's class as a grey PNG; 255 is no class.
export-what-cut-outs = Cut-outs
export-what-cut-outs-tip = A PNG for each shown class, transparent where it is not.
export-what-areas = Areas
export-what-areas-tip = The classes with their pixels and shares, as JSON.
export-ending = The name must end in .{ $ending }.
export-files = Files: { $files }

class-name-background = background
class-name-aeroplane = aeroplane
class-name-bicycle = bicycle
class-name-bird = bird
class-name-boat = boat
class-name-bottle = bottle
class-name-bus = bus
class-name-car = car
class-name-cat = cat
class-name-chair = chair
class-name-cow = cow
class-name-dining-table = dining table
class-name-dog = dog
class-name-horse = horse
class-name-motorbike = motorbike
class-name-person = person
class-name-potted-plant = potted plant
class-name-sheep = sheep
class-name-sofa = sofa
class-name-train = train
class-name-tv-monitor = TV monitor
class-name-sky = sky
class-name-building = building
class-name-pole = pole
class-name-road = road
class-name-pavement = pavement
class-name-tree = tree
class-name-sign = sign
class-name-fence = fence
class-name-pedestrian = pedestrian
class-name-bicyclist = bicyclist
class-name-foreground = foreground

export-picture = Export picture
export-title = Export picture
export-size = { $width } × { $height } pixels, exactly as you see it
export-path = File
export-browse = Browse…
export-format = Format
export-quality = Quality
export-save = Export
export-replace = Replace the file that is there
export-no-result = The result is not finished; the original would be saved.
export-unknown-format = The name must end in .png, .jpg, .webp or .tiff.
loss-alpha = JPEG has no transparency: the picture will be laid on white. PNG, WebP and TIFF keep it.
loss-sixteen-bit = This format holds 8 bits per colour; the picture has 16. PNG and TIFF keep them.
loss-too-large = This format ends at { $most } pixels a side. Choose PNG or TIFF.
loss-detail = JPEG is lossy; at quality 92 the loss is hard to see.
saved = Saved { $path }
copied = Copied to the clipboard

open-path-title = Open by path
open-path-label = Path of a picture or a folder
open-path-hint = ~/Pictures/photo.jpg
open-path-open = Open
no-dialog = This system shows no file dialog (on Linux install zenity or a desktop portal). Type the path here, or drop files on the window.
paste-nothing = There is no picture on the clipboard. Copy one, or open a file.
refused = { $name }: { $why }
queued =
    { $count ->
        [0] Every picture has this result already
        [one] One picture queued
       *[other] { $count } pictures queued
    }
job-failed = It did not work: { $why }
job-load = Loading the model
job-gallery = Trying all styles
job-style = { $style }
jobs-waiting = { $count } waiting
time-left = { $time } left
status-ready = Ready
status-files = Reading and writing files…
strip-pictures =
    { $count ->
        [one] 1 picture
       *[other] { $count } pictures
    }
strip-results =
    { $count ->
        [one] 1 result
       *[other] { $count } results, newest first
    }
made-in = made in { $seconds } s
no-gpu = no graphics adapter

session-values = These settings could not be read and are back at their defaults: { $names }.
session-aside = The settings file was damaged. It was kept as { $path }, and Lucida starts with defaults.
session-unreadable = The settings could not be read ({ $why }); Lucida starts with defaults.
session-not-saved = The settings could not be saved: { $why }

about-text = A vision studio: drop a picture, pick a task, and watch a network work. Everything runs on this computer.
