// Pictures as Pillow writes and reads them, damaged ones, and those that claim more than they hold.
#include "data/image.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <array>
#include <stdexcept>

#include "core/allocator.h"
#include "core/file.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace striate {
namespace {

using testing_support::expect_error;
using testing_support::TempFolder;

struct Reference {
  const char* name;
  std::int64_t height;
  std::int64_t width;
  const char* file;    ///< in base64
  const char* pixels;  ///< of Pillow's convert("RGB"), upright and over white, in base64
};

// Made by Pillow 13, but for grey-2-bits, *-16-bits and interlaced, whose chunks were put together by hand. Pillow cuts
// 16-bit grey off at 255 in convert("RGB"); here it is scaled as Pillow scales 16-bit colours.
constexpr Reference kReferences[] = {
    {"rgb.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAIAAADUVFKvAAAAO0lEQVR4nAEwAM//AKjluKvuqxTO9ZnMBSU11QHOwK04uJJadEQW"
     "GNQrePAAKkntEML6CmfODY8CJkeFV7YWWlJ/M0gAAAAASUVORK5CYII=",
     "qOW4q+6rFM71mcwFJTXVzsCtBng/YOyDdgRXoXxHKkntEML6CmfODY8CJkeF"},
    {"rgba.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAYAAABbNsX4AAAASklEQVR4nAE/AMD/AKjluMSr7qsjFM71OZnMBZIlNdUyAc7ArbM4"
     "uJLeWnRE1xYY1GYrePBnACpJ7Y0QwvohCmfOtQ2PAicmR4WX+usdlPiiO8YAAAAASUVORK5CYII=",
     "vOvI8/3zyvT9xeJw1Nf33dPFcbKSvvfMkDR36+TZiZr14Pf+UZPc2u7Yf5K3"},
    {"grey-alpha.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAQAAADxPw1zAAAAKklEQVR4nGNY8XT1O5FzM8+omjKeO2CxI6pETEK7glHL81nlr6XM"
     "GpI7AAV/DlRSBTypAAAAAElFTkSuQmCC",
     "sbGxsbGxQUFBra2t0tLS2traioqKbGxs/f390dHRwsLCSUlJnJycd3d3w8PD"},
    {"bit.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADAQAAAABzTfhVAAAADklEQVR4nGO4wLSDgQEABkYBiwX+XxcAAAAASUVORK5CYII=",
     "////////AAAA////AAAA////AAAAAAAAAAAA////AAAAAAAAAAAAAAAAAAAA"},
    {"palette-4-bits.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADBAMAAACpGNjLAAAAD1BMVEUKFB76AAMFBgcA/wFaW1w9Td55AAAAFElEQVR4nGMwZFZg"
     "FGT6yyTwQQEACxkCiMnnPoMAAAAASUVORK5CYII=",
     "AP8B+gADChQeAP8BBQYH+gAD+gAD+gADAP8B+gADBQYH+gADChQeAP8BAP8B"},
    {"palette-alpha.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADBAMAAACpGNjLAAAAD1BMVEUKFB76AAMFBgcA/wFaW1w9Td55AAAABXRSTlMAgP8QIOAG"
     "tv4AAAAUSURBVHicYzBkVmAUZPrLJPBBAQALGQKIyec+gwAAAABJRU5ErkJggg==",
     "7//v/H+B////7//vBQYH/H+B/H+B/H+B7//v/H+BBQYH/H+B////7//v7//v"},
    {"rgb-transparent-colour.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAIAAADUVFKvAAAABnRSTlMAqADlALhEYvozAAAAO0lEQVR4nAEwAM//AKjluKvuqxTO"
     "9ZnMBSU11QHOwK04uJJadEQWGNQrePAAKkntEML6CmfODY8CJkeFV7YWWlJ/M0gAAAAASUVORK5CYII=",
     "////q+6rFM71mcwFJTXVzsCtBng/YOyDdgRXoXxHKkntEML6CmfODY8CJkeF"},
    {"grey-2-bits.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADAgAAAAA07YKFAAAAEUlEQVR42mNgZmDY6MBQfAAABjwCKJLEjkAAAAAASUVORK5CYII=",
     "AAAAAAAAAAAA////AAAAqqqq////AAAAVVVVVVVVVVVV////AAAA////////"},
    {"grey-16-bits.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADEAAAAAAuzUZnAAAAKklEQVR42mO4IS+7IKVkwbE6M4ZVZWutV27ln/C1naHP+rmPa21M"
     "z0MDAPQKDt81rBnkAAAAAElFTkSuQmCC",
     "2NjYHR0dZGRkoKCgfn5+qqqqra2tqampDw8P9fX1jo6O5+fnRUVFXFxc4eHh"},
    {"rgb-16-bits.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADEAIAAACExI7sAAAAaElEQVR42gFdAKL/AC/YEHBfuK3eH0vevldPOjGLYeU84knfSE50"
     "BL3HNAC1HsVeAE4JsYDcVcxvye5pNAiHKVMvS4LOZCc5UQMAHmgmJ0fwstGUXXLTK2fMh8y+PEoPSFHdJWDMxIUBYeYoIWN3l5IA"
     "AAAASUVORK5CYII=",
     "LxBfrR/eVzqL5eLfTgTHtcUACYBVb+40h1NLzidRHiZHspRyK8zMPA9RJcyF"},
    {"rgba-16-bits.png", 3, 5,
     "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADEAYAAAALphm7AAAAhklEQVR42gF7AIT/AIHPSmKBoverPHfEnwO4UFXu598LFfjX0dhN"
     "dApeLfr683atXmZANdAA77pEz45grLU9eVCuvc0yiayk8dCvKKVsdr33xzjNWxikFKeeG2opigCxNdc4oqju+WBjVGjMbAqEMasx"
     "YWP1KCrMRdi3YWYHgraYG5WczSvLuVI/WGGZ2tcAAAAASUVORK5CYII=",
     "hVCFwuyw8eQ62Xdh/e7f9IGz2d3yyfbLzvy48PHattqo+fj939/n/v7789nu"},
    {"interlaced.png", 9, 10,
     "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAJCAIAAAHzwxrSAAAAfElEQVR42iWQgRHAMAgCGY3RGI3RwpumVy8vKlZxbe1pYiUVsY2T"
     "qHLsEOSSizRM8gQrBw8aPtXO8qvpXtljfI1iidGJ6V96jea3PReU+fRlQnFibCCdwlwXEBSf5/b0rv6QA1sk39OB3uEidjxrLHdg"
     "Zf69aHm+GC/+TB5ZeGQBDO6kZgAAAABJRU5ErkJggg==",
     "gEDAwEBAQIBAgMDAgIDAgMDAQIDAAEBAQEAAwIAAwACAAAAAQEAAQMDAQIBAAEBAQMDAwIBAAMAAgIBAwECAQEDAgIBAQACAgICA"
     "QAAAAIBAwEDAwMDAgMAAAEBAwMBAwADAQACAQACAQAAAQICAwIAAgEAAgABAwMCAgMDAQIAAgEDAQICAgIAAQMDAAACAgADAQIDA"
     "gEAAwADAAMAAgABAAAAAgIDAwIDAwAAAwABAAEAAgAAAgICAgEAAAEBAgADAAAAAgABAQIDAAEAAwEAAAMBAAECAQADAAIDAgEAA"
     "QMCAgADAwICAAEDAQECAAADAQEDAgICAwICAgIBAgEDAAACAQADAgIBAwECA"},
    {"colour.jpg", 11, 19,
     "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxO"
     "UlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P"
     "T09PT09PT0//wAARCAALABMDASIAAhEBAxEB/8QAFwAAAwEAAAAAAAAAAAAAAAAAAAQFAf/EACUQAAEDAwMDBQAAAAAAAAAAAAEC"
     "AwQAESEFEzEGQWEUIjKBof/EABYBAQEBAAAAAAAAAAAAAAAAAAQBA//EACIRAAIBAwIHAAAAAAAAAAAAAAECEQADIQRRBRKRkqHR"
     "8P/aAAwDAQACEQMRAD8AJeoQYdoekt+qeKLl5PwQew8n8GOcitYivqKpUlDSS4fe48frnAA4Fqd0OJHLuWk81F6pmST1XKgbyhFZ"
     "2ttsYCboSq+O91HPm3FRX52cJgnEnb7zmtHQ2RAMbwBJ61Tb1FlKAkIkrAwFBlFj5FzeilmozK20qWgKURkk3NFOHDrEUA6hJwG7"
     "z6r/2Q==",
     "LzeAWnWqM3eCLI6BRLunSseFUb4tgswtucBg3auqeBGYhg69fBmOkUuKqYOSc1g9roFGv45CzpxVY22gTmWOY5Opc7e2WaySdMaE"
     "crM9qchT1MCDnlttbQN9rjnXxmPhrmSxn3eAo5FrkotHpadUu7xscoGEg5CgsbnnlJu1ztavtbRx+eGjdUMgjz5NhCFaskKmwlPT"
     "13T/zoDltYeHqq5xWZ9JUrpZULhZi6OTrLq9u6/d3sPk9NCu+8yYZyYSkUdWmk2BqmOpwITMcD+RZjyoa1KWeHhWXIIvNo8/Q7hq"
     "XdOHtNjUvdHYz8bh/+z/ajcmbDIen2ZtOxIwTUB1NUZ8Ll6GL3KNSperMIVwV7VXYLJMmM6dm8Ktocu3rNjz1fH/+fn/JAoNOwkM"
     "Vh8lbUNXQTJTSGCMNHKZL4ukUb67YtGmQKtbZsdUisVrnpePelV2US1RgKv5kLHkOklGMSkcPx4xUSxLXUpgZWx/Wn+ZWJWxZa/K"
     "ZbGnbKtanshYvMhm+NaolzxnmiR8myaBIzafIjB3LDIyRDwpY0dTgGN5dmh3gIOSi6S4cZWrpcvgttbHtcJy1spoeEcFiDsxkjN1"
     "rUiwwV7KVjalVjeHYURadlZJiGZNlHNgn4KEqJGhtKbAwbXN4dXZ076t/tewdjoVjzwsqGN1gnSxYXDBTV2yikemh0qPjVdunG9a"
     "qoZKtZVaxKGN0K2099Pt4L/U/d7ZXDwtYTo1pHd+NwEYUzlgO12cLG64MXXAtF2Ur1+Er21uu4hdxqRD0rRU4b+R7snA58HQ//L/"
     "JxkMISMYFic7I0NqPGuVHlOJMWWuQ3fKVIve"},
    {"progressive.jpg", 11, 19,
     "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
     "gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
     "fHx8fHx8fHz/wgARCAALABMDAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAgAE/8QAGAEAAgMAAAAAAAAAAAAAAAAAAQMA"
     "AgT/2gAMAwEAAhADEAAAAaCJVYqNztU9Gf8A/8QAGhABAAMAAwAAAAAAAAAAAAAAAQACAxESE//aAAgBAQABBQJtWsBnYmYTaz7c"
     "E//EABwRAAICAgMAAAAAAAAAAAAAAAABAjESIQMTUf/aAAgBAwEBPwFKNs7HUUYc3ozJqh7ez//EABoRAQACAwEAAAAAAAAAAAAA"
     "AAEAAgMSIRH/2gAIAQIBAT8BuLxl3WupDFLLuyp32E//xAAdEAABBAIDAAAAAAAAAAAAAAABAAIQESFBUZGh/9oACAEBAAY/AqZk"
     "8qz6t9QW6Ef/xAAZEAACAwEAAAAAAAAAAAAAAAABMQARIYH/2gAIAQEAAT8hzPJEIlgWzAqR8S8psyqHIDDRP//aAAwDAQACAAMA"
     "AAAQVvN//8QAIBEAAQMCBwAAAAAAAAAAAAAAAQARMSGxQVFxgZHR8P/aAAgBAwEBPxA+gdIvCqgNsp6T+D2yEMiCQTX5lGXKiv/E"
     "ABwRAQACAgMBAAAAAAAAAAAAAAEAESFBMYHwkf/aAAgBAgEBPxCjajZ73EM+Rx1uJWvrEWO2A2GYqMT/xAAeEAEAAgMAAgMAAAAA"
     "AAAAAAABABEhMUFhcbHB8f/aAAgBAQABPxCsuFnYcPP5vUZfRB949QwAB0oZx+4m7MFwGD8rCLYptn//2Q==",
     "AGZQRXyyPk2Eamn/Vo3yab//Xc1De+EBWP9Tdb2VXBifkxJvqzZTjiv3mm3/ZYsAtW0lv3g4z4hUblWmQ4ecPMv/CKJ8fcjvgbJX"
     "WJ47ffo6opk6o11/uzXIzDOv4k2x9FD/7D3G7k4E1KYd4LMy7L9Ky3rgkWemhJDcmfmLiv+IYccA1OKKeEkb0TMyqAhsx0HEmz/E"
     "p1z385P0/3Ft/4luDoxcIaB3MrGWcayMpZ7h6r/T4LPH1tIX/+N5yBIA/ABt/0CO+zDAzWHQWl/XBGj0AKNdAKcAKag9IsVENthg"
     "SuuBwqlZ7d345NTv/8n/kBMApRMWz392HwRhAEpBAGiVBm2OKIrhKI78JKQrZ9QAe6htRP9SRP9ZRf9lpfOnzPrV8t3/QQ8yOwBU"
     "MjgSADtXAICMOleReYHCZ2GngJDoXay9I74LT/8cO9l8tlC2ozuqkCOgAf/7I8y1O2GfHiMNISdjIC8apG2wkh9YXW27dn6lgnvI"
     "kJnUksppmt4vwd5y1MuiszOiriqkpx+ndwDUbxzEJCgRNUNGWF8bgXCcQ1c8dqmYc6juaKWmoNj/jNTijucprcgblDcvuhUbpydg"
     "ujd51k2fbw//bDBMdT4qhUlrkWdRknlamoiYpaGWyXm+zbm74P+4jbw828pgyFY+wwBF/xedxEGfnFCoU16tjy//jU9AlF4gpWhl"
     "sIVOs5ZauaWcxr6ad///uvrs2pSI3x4f/yg8pxIyKSlLAHeVdlGXZmOqRXS6r07trGwss3oPxYRa0KFJ07Fa2L2f5dWh/9v//+X5"
     "NTs3ECAWKS40KC1NKD91NmOmK2+gNoG4QJHT"},
    {"grey.jpg", 11, 19,
     "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYn"
     "KSopGR8tMC0oMCUoKSj/wAALCAALABMBAREA/8QAFwAAAwEAAAAAAAAAAAAAAAAABAUHBv/EACoQAAEDAwMDAQkAAAAAAAAAAAEC"
     "AwQFBhEAEyEHEjEUIiQlQUJVcZHT/9oACAEBAAA/ABEVCxqZlukQKlWndkrbWxG2WS5zhClOdqk+BkhCgAeMnI0wg3Hcb0ppVDtG"
     "kQ4wQApuYXJKyvJyQpJbAGMcdp8HnnAPjROp+wj418vtsX+WqBa1ApXse4s/rUU6z3rcNI6lV+2qVUnINHa9NttxkIacRllpw4dS"
     "A4MqJ+rwSPHGsTMhMVeQqdVQ5OmugbkiS4p1xeAAMqUSTgAD8Aa//9k=",
     "ICAgNDQ0Ojo6Q0NDVFRUT09PYmJiZmZmbW1teHh4hISEkZGRlpaWkpKSrKysqampt7e3wMDAyMjIYWFhVlZWVlZWgICAYGBggICA"
     "f39/jY2NoaGhnJycpaWlsrKys7Ozz8/Px8fH4eHh4eHh6urq8vLybGxsdXV1lJSUfX19oqKisbGxpaWls7OztbW1zc3N0NDQ19fX"
     "6urq7u7u8fHx8fHxBAQEDQ0NFRUVnJycrq6uu7u7ubm5tra2wsLC2tra3d3d6+vr6enp/Pz8BAQEBgYGAAAAKioqKioqLi4uNzc3"
     "Pz8/ycnJvr6+zc3N5ubm5+fn8fHx9PT0AgICCAgIHBwcERERJSUlNTU1RkZGNzc3R0dHU1NTXFxcZGRk6enp+fn59/f3BAQEDg4O"
     "JSUlGhoaLCwsLy8vNzc3WlpaPz8/Tk5ObW1tWlpadXV1fHx8hYWFjY2NFxcXJiYmGBgYMTExNjY2MjIyUFBQVlZWXV1dYWFhX19f"
     "fHx8iYmJh4eHkpKSl5eXoaGhqqqqsrKyOTk5OTk5Tk5OWFhYX19fYmJidHR0cXFxhoaGg4ODl5eXl5eXp6eno6Ojvb29vr6+ycnJ"
     "09PT29vbXl5eZWVlcHBweXl5gYGBioqKlJSUnJycoqKiurq6s7OzwMDA19fX1tbW39/f6Ojo9vb28vLyCAgIioqKkpKSnZ2dpqam"
     "ra2tt7e3wcHBycnJ19fX0NDQ7+/v7+/v5+fn9PT0BAQECgoKFRUVKioqGBgYra2ttLS0v7+/yMjI0NDQ2dnZ4+Pj6+vr9PT0/v7+"
     "AAAAEBAQGBgYOjo6IiIiPT09REREOTk5aWlp"},
    {"cmyk.jpg", 8, 9,
     "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAUDg8SDw0UEhASFxUUGB4yIR4cHB49LC4kMklATEtHQEZFUFpzYlBVbVZFRmSIZW13e4GC"
     "gU5gjZeMfZZzfoF8/8AAFAgACAAJBEMRAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAIAAQX/xAAvEAABAgQBBw0AAAAA"
     "AAAAAAABAgMABAURIRIUFVFSgaMkMTM1VGFldJGSstHi/9oADgRDAE0AWQBLAAA/AGWqm9i+6zLJyrEKXlKtrAFwfURjEg7Ncoqa"
     "lstBWDJBC1ga9kX3nHmwMGjt9PUnhrbZuPcoYbrg7QikepZrzKvimLMfFuB+oeZ0XsvGX9w9Id8cWP/Z",
     "UUc1KyATEhAIu2M8m1MYbUYATRR+ORpQIwgrQjI1IiMUDQkIeykodFwHZSapShJsMQo9GwMpNy0iIRgWDgQDeHoCTh8DMh+WIgBh"
     "GGBOEDglKSQhDQ0QBAUEPDwrSRTSMgCLGIJvDE43BzYiGyAoDA8GBQMDLAAAAMWlAKSFJmBYWlE+PCsfBxARAAQMBQACt/Dk08jK"
     "pZKQamhIUEQ9MygbYgghLgcHEhUAy9HfuYepgm1pV1FNQTUpKCEYR2IPKi0AEhUXoK7MeZKXXXdrSUpQNzEqIBoV"},
    {"rgb.bmp", 3, 5,
     "Qk1mAAAAAAAAADYAAAAoAAAABQAAAAMAAAABABgAAAAAADAAAADEDgAAxA4AAAAAAAAAAAAA7Ukq+sIQzmcKAo8NhUcmAK3Azj94"
     "BoPsYFcEdkd8oQC45air7qv1zhQFzJnVNSUA",
     "qOW4q+6rFM71mcwFJTXVzsCtBng/YOyDdgRXoXxHKkntEML6CmfODY8CJkeF"},
    {"palette.bmp", 3, 5,
     "Qk1iAAAAAAAAAEoAAAAoAAAABQAAAAMAAAABAAgAAAAAABgAAADEDgAAxA4AAAUAAAAFAAAAHhQKAAMA+gAHBgUAAf8AAFxbWgAC"
     "AQADAwAAAAEBAQMBAAAAAwEAAwIAAAA=",
     "AP8B+gADChQeAP8BBQYH+gAD+gAD+gADAP8B+gADBQYH+gADChQeAP8BAP8B"},
    {"bit.bmp", 3, 5,
     "Qk1KAAAAAAAAAD4AAAAoAAAABQAAAAMAAAABAAEAAAAAAAwAAADEDgAAxA4AAAIAAAACAAAAAAAAAP///wAAAAAAiAAAANAAAAA=",
     "////////AAAA////AAAA////AAAAAAAAAAAA////AAAAAAAAAAAAAAAAAAAA"},
    {"rgba.bmp", 3, 5,
     "Qk1yAAAAAAAAADYAAAAoAAAABQAAAAMAAAABACAAAAAAADwAAADEDgAAxA4AAAAAAAAAAAAA7UkqjfrCECHOZwq1Ao8NJ4VHJpet"
     "wM6zP3gGkYPsYGhXBHbOR3yhNbjlqMSr7qsj9c4UOQXMmZLVNSUy",
     "qOW4q+6rFM71mcwFJTXVzsCtBng/YOyDdgRXoXxHKkntEML6CmfODY8CJkeF"},
    {"most-10.ppm", 1, 2, "UDYKIyBhIGNvbW1lbnQKMiAxICMgbW9yZQoxMAoAAQIDBQo=", "ABozTID/"},
    {"most-1000.ppm", 1, 2, "UDYgMiAxIDEwMDAKAAAAAQH0A+cD6AFN", "AACA//9V"},
    {"grey.pgm", 1, 3, "UDUgMyAxIDI1NSAByP8=", "AQEByMjI////"},
    {"grey-16.pgm", 1, 3, "UDUgMyAxIDY1NTM1IAD/dTD//w==", "AQEBdXV1////"},
    {"palette.gif", 5, 7,
     "R0lGODdhBwAFAIMAAHjptoK3DibHnqmpbSGetdV2bE1x2CFxYehKX6M9p6YFxJcS3TVNsixQMnEfllA5viwAAAAABwAFAAAIKgADFHhQ"
     "oAGAAAwaHGBQwIACBA4UEAAAwAEBAQoOGBiQYAGDBAkGMEAQEAA7",
     "grcO1XZsUDm+1XZsLFAyeOm2grcONU2yLFAyIXFhNU2y1XZsTXHYpgXE6EpfcR+WpgXEIZ61eOm2eOm2cR+WIZ61JseepgXEIXFhTXHY"
     "qaltoz2nlxLdNU2yoz2noz2nqaltNU2y6Epf"},
    {"interlaced.gif", 11, 3,
     "R0lGODdhAwALAIIAAKTwk0bckbqreWG3X8d+nVhVbnIW3zwi3CwAAAAAAwALAAAIJAAHDBBwQMCAAAcMBAAA4EAAAwMMECAAcaIAAQUA"
     "DCBQgGKBgAA7",
     "YbdfYbdfuqt5PCLcuqt5YbdfRtyRPCLcchbfRtyRpPCTpPCTPCLcRtyRchbfYbdfchbfx36dx36dchbfYbdfx36dx36duqt5uqt5WFVu"
     "pPCTYbdfx36dWFVux36dchbfWFVu"},
    {"transparent.gif", 5, 7,
     "R0lGODlhBwAFAIMAAHjptoK3DibHnqmpbSGetdV2bE1x2CFxYehKX6M9p6YFxJcS3TVNsixQMnEfllA5viH5BAEAAAcALAAAAAAHAAUA"
     "AAgqAAMUeFCgAYAADBocYFDAgAIEDhQQAADAAQEBCg4YGJBgAYMECQYwQBAQADs=",
     "grcO1XZsUDm+1XZsLFAyeOm2grcONU2yLFAy////NU2y1XZsTXHYpgXE6EpfcR+WpgXEIZ61eOm2eOm2cR+WIZ61JseepgXE////TXHY"
     "qaltoz2nlxLdNU2yoz2noz2nqaltNU2y6Epf"},
    {"animated.gif", 5, 7,
     "R0lGODdhBwAFAIMAAHjptoK3DibHnqmpbSGetdV2bE1x2CFxYehKX6M9p6YFxJcS3TVNsixQMnEfllA5viwAAAAABwAFAAAIKgADFHhQ"
     "oAGAAAwaHGBQwIACBA4UEAAAwAEBAQoOGBiQYAGDBAkGMEAQEAAh+QQBAAAQACwAAAAABwAFAIPV63/W0b2G5mK/vWOQrJdu91kK8aAG"
     "w6f0hZHvSFCHYbNFj58Ko53OIE5EM6sOQ7EIKgAdFDgwQMEBAQ0WDAiQAIADBgoCCAiwAAEDBA0QPDBQQMACAA8IGGgQEAA7",
     "grcO1XZsUDm+1XZsLFAyeOm2grcONU2yLFAyIXFhNU2y1XZsTXHYpgXE6EpfcR+WpgXEIZ61eOm2eOm2cR+WIZ61JseepgXEIXFhTXHY"
     "qaltoz2nlxLdNU2yoz2noz2nqaltNU2y6Epf"},
    {"orientation-2.png", 2, 3,
     "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEAAgAAAAAAACIob3oAAAAdSURB"
     "VHicY2BsfGmeyH771jfGo59PzF+itpdFGABf+wl0bzdkHAAAAABJRU5ErkJggg==",
     "29r2N2EHAYHpIZsBZJfuxfPI"},
    {"orientation-3.png", 2, 3,
     "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEAAwAAAAAAAIRfZM4AAAAdSURB"
     "VHicY7g76eN8z5Av/1Yy+N2UUC7t0FbgBQBtVQjvaJ3tfAAAAABJRU5ErkJggg==",
     "KyANI3WITtkY9P6pn0lU3ZLx"},
    {"orientation-4.png", 2, 3,
     "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABAAAAAAAAEH4WkAAAAAdSURB"
     "VHicY1h1W/n8T0l7uwJGC5epKzhO1LV/BQBZJQj72HLHLAAAAABJRU5ErkJggg==",
     "OESV4ExdXtNSqtsjz/kZPz5w"},
    {"orientation-5.png", 3, 2,
     "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABQAAAAAAAOePUfQAAAAcSURB"
     "VHicY1TKFRMN5YuIlmA848Iq+GqO7BlhAC+EBZOQWjarAAAAAElFTkSuQmCC",
     "Im0WzEQFN8Ik3S6hjx08+vq0"},
    {"orientation-6.jpg", 3, 2,
     "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAAIBAQEBAQIBAQECAgICAgQD"
     "AgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoK"
     "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAACAAMDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAA"
     "AAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRol"
     "JicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5"
     "usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREA"
     "AgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZH"
     "SElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX"
     "2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDQ8D/Cz4Y+I7HU9e8Q/DnQb++u/FWty3d7eaRDLLNI2p3RLu7KSzE9STk0"
     "UUUAf//Z",
     "lpaWwMDAS0tLHBwclpaWRERE"},
    {"orientation-7.png", 3, 2,
     "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABwAAAAAAAHAQQN0AAAAcSURB"
     "VHicYyxoU+D4U3jmmy7Di+PRzpzrtIX0AFdwB+txzY6kAAAAAElFTkSuQmCC",
     "KxIuRHi+QwmueIKR6MdbcIYg"},
    {"orientation-8.png", 3, 2,
     "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEACAAAAAAAAIZYMDQAAAAdSURB"
     "VHicY7B/UXX8zdel5vwMR6R9bxdZa/3OAQBlbgl6+ULGRwAAAABJRU5ErkJggg==",
     "pTcPKvtsx+z123I7P+h6xBtN"},
};

std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned value = 0;
  unsigned bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    value = value << 6U | static_cast<unsigned>(digits.find(c));
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<char>(value >> bits & 0xffU));
  }
  return bytes;
}

std::string file_of(const std::string& name) {
  for (const Reference& reference : kReferences) {
    if (reference.name == name) return from_base64(reference.file);
  }
  throw std::invalid_argument(name);
}

Tensor decode(const std::string& bytes, std::int64_t channels = 3, std::int64_t max_pixels = kMaxPixels) {
  const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());  // of just that size, for sanitizers
  return decode_image(copy, channels, max_pixels);
}

TEST(Image, DecodesAsPillow) {
  for (const Reference& reference : kReferences) {
    const Tensor image = decode(from_base64(reference.file));
    EXPECT_EQ(image.shape(), (Shape{reference.height, reference.width, 3})) << reference.name;
    const auto pixels = image.span<std::uint8_t>();
    EXPECT_EQ(std::string(pixels.begin(), pixels.end()), from_base64(reference.pixels)) << reference.name;
  }
}

TEST(Image, RefusesWhatIsCutShort) {
  for (const Reference& reference : kReferences) {
    const std::string whole = from_base64(reference.file);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(decode(whole.substr(0, size)), std::runtime_error) << reference.name << " " << size;
    }
  }
}

// A PNG file sums what it holds, so none passes; of the others most look like a picture still.
TEST(Image, TakesDamageForWhatItIs) {
  for (const Reference& reference : kReferences) {
    const std::string whole = from_base64(reference.file);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const unsigned mask : {0xffU, 0x01U, 0x80U}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ mask);
        try {
          EXPECT_LE(decode(damaged, 1).numel(), 8 * 1024 * static_cast<std::int64_t>(whole.size()));
          EXPECT_EQ(std::string(reference.name).find(".png"), std::string::npos) << reference.name << " " << at;
        } catch (const std::runtime_error& error) {
          EXPECT_STRNE(error.what(), "");
        }
      }
    }
  }
}

std::string big_endian(std::uint32_t value, unsigned bytes = 4) {
  std::string text;
  for (unsigned i = bytes; i-- > 0;) text.push_back(static_cast<char>(value >> 8 * i));
  return text;
}

std::string png_chunk(const std::string& type_and_data) {
  std::vector<Bytef> bytes(type_and_data.begin(), type_and_data.end());
  return big_endian(static_cast<std::uint32_t>(type_and_data.size() - 4)) + type_and_data +
         big_endian(static_cast<std::uint32_t>(crc32(0, bytes.data(), static_cast<uInt>(bytes.size()))));
}

/// A JPEG file whose header says another size.
std::string jpeg_of(const std::string& name, std::uint32_t height, std::uint32_t width) {
  std::string bytes = file_of(name);
  const std::size_t baseline = bytes.find("\xff\xc0");
  const std::size_t at = baseline != std::string::npos ? baseline : bytes.find("\xff\xc2");
  return bytes.replace(at + 5, 4, big_endian(height, 2) + big_endian(width, 2));
}

TEST(Image, RefusesMorePixelsThanTheBytesCanHold) {
  const std::string png = "\x89PNG\r\n\x1a\n" +
                          png_chunk("IHDR" + big_endian(16384) + big_endian(16384) + std::string("\x10\6\0\0\0", 5)) +
                          png_chunk("IDAT");
  std::string bmp = file_of("rgb.bmp");
  bmp.replace(18, 8, std::string("\0\x40\0\0\0\x40\0\0", 8));
  reset_peak_bytes();
  reset_peak_bytes();
  const std::size_t before = allocator_stats().peak_bytes;
  for (const std::string& bytes :
       {png, bmp, jpeg_of("colour.jpg", 16384, 16384), jpeg_of("progressive.jpg", 16384, 16384),
        std::string("P6 16384 16384 255 few"), std::string("P5 4294967295 4294967295 255 x")}) {
    const std::string message = testing_support::message_of<std::runtime_error>([&] { decode(bytes); });
    EXPECT_TRUE(message.find("cannot hold") != std::string::npos || message.find("a side") != std::string::npos)
        << message;
  }
  EXPECT_LT(allocator_stats().peak_bytes, before + (1U << 20U));
}

/// In kilobytes, of the whole process.
std::int64_t most_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Each text of 8 KB would be 7.9 MB.
TEST(Image, DoesNotUnpackTextsInPng) {
  const std::vector<Bytef> text(7'900'000, 'x');
  std::vector<Bytef> packed(compressBound(text.size()));
  uLongf size = packed.size();
  ASSERT_EQ(compress2(packed.data(), &size, text.data(), text.size(), 9), Z_OK);
  packed.resize(size);
  const std::string chunk = png_chunk("zTXta" + std::string(2, '\0') + std::string(packed.begin(), packed.end()));
  std::string png = file_of("rgb.png");
  const std::size_t behind_header = 33;
  for (int i = 0; i < 40; ++i) png.insert(behind_header, chunk);
  const std::int64_t before = most_memory();
  EXPECT_EQ(decode(png).to_vector(), decode(file_of("rgb.png")).to_vector());
  EXPECT_LT(most_memory(), before + 100'000);
}

// libpng would allocate it first.
TEST(Image, RefusesAPartOfAPngThatIsLongerThanTheFile) {
  std::string png = file_of("rgb.png");
  png.insert(33, big_endian(1'660'944'410) + "eXIfMM");
  expect_error<std::runtime_error>([&] { decode(png); }, {"longer than all of it"});
}

TEST(Image, LimitsPixels) {
  const std::string picture = file_of("rgb.png");
  EXPECT_EQ(decode(picture, 3, 15).numel(), 45);
  expect_error<std::runtime_error>([&] { decode(picture, 3, 14); }, {"5x3 pixels", "more than 14", "--max-pixels"});
  expect_error<std::invalid_argument>([&] { decode(picture, 3, 0); }, {"at least 1 pixel"});
  TempFolder folder;
  const auto file = folder.write("a.png", picture);
  expect_error<FileError>([&] { read_image(file, 3, 14); }, {"a.png", "cannot be decoded", "--max-pixels"});
}

// Two pixels, of which one has the index 7 in a palette of one colour.
TEST(Image, RefusesColoursBeyondThePalette) {
  const std::string picture = from_base64(
      "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAMAAADD/I+4AAAAA1BMVEX/AAAZ4gk3AAAAC0lEQVR4nGNgYAcAAAoACNOlifAAAAAASUVORK5C"
      "YII=");
  expect_error<std::runtime_error>([&] { decode(picture); }, {"a colour that its palette does not have"});
}

TEST(Image, RefusesJpegFilesThatLackATable) {
  std::string bytes = file_of("colour.jpg");
  const std::size_t table = bytes.find("\xff\xdb");
  expect_error<std::runtime_error>([&] { decode(std::string(bytes).replace(table + 1, 1, "\xe5")); },
                                   {"uantization table"});
  const std::size_t huffman = bytes.find("\xff\xc4");
  expect_error<std::runtime_error>([&] { decode(bytes.replace(huffman + 5, 16, std::string(16, '\xff'))); },
                                   {"uffman"});
}

TEST(Image, SaysWhatElseItIs) {
  expect_error<std::runtime_error>([] { decode("GIF89a\1"); }, {"screen descriptor"});
  expect_error<std::runtime_error>([] { decode("RIFF\1\2\3\4WEBPVP8 "); }, {"a WebP file"});
  expect_error<std::runtime_error>([] { decode(std::string("II*\0\1\2", 6)); }, {"a TIFF file"});
  expect_error<std::runtime_error>([] { decode("P3 1 1 255 1 2 3"); }, {"plain PPM"});
  expect_error<std::runtime_error>([] { decode("no picture"); }, {"none of JPEG, PNG"});
  expect_error<std::runtime_error>([] { decode(""); }, {"empty"});
  std::string bmp = file_of("rgb.bmp");
  bmp[30] = 1;
  expect_error<std::runtime_error>([&] { decode(bmp); }, {"BMP", "24 bits, coding 1", "convert it to PNG"});
  expect_error<std::runtime_error>([] { decode("P6 1 1 65536 123456"); }, {"65536"});
  expect_error<std::runtime_error>([] { decode("P6 1 x 255 123"); }, {"than numbers"});
}

}  // namespace
}  // namespace striate
